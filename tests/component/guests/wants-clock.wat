;; Wants to know the time.
(component (import "wampgate:authid/clock@0.2.0" (instance (export "now" (func (result u64))))))
