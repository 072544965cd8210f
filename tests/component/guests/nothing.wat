;; A component that neither wants nor offers anything.
(component)
