;; Imports something unknown.
(component (import "launch" (func (param "code" string))))
