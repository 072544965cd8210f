;; Wants a log that takes numbers.
(component
  (import "wampgate:authid/log@0.2.0" (instance (export "log" (func (param "number" u32)))))
  (core module $m (func (export "f") (result i32) (i32.const 1)))
  (core instance $i (instantiate $m))
  (func $f (result u32) (canon lift (core func $i "f")))
  (instance $policy (export "check-config" (func $f)) (export "decide" (func $f)))
  (export "wampgate:authid/policy@0.2.0" (instance $policy)))
