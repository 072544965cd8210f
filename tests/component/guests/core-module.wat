;; A core module with the right names is no component.
(module
  (func (export "check-config") (param i32 i32) (result i32) (i32.const 0))
  (func (export "decide") (param i32) (result i32) (i32.const 0)))
