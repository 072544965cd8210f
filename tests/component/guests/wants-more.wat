;; Wants something that nobody has heard of.
(component (import "launch" (func (param "code" string))))
