;; Traps over its configuration.
(func (export "check-config") (param i32 i32) (result i32) (unreachable))
(func (export "decide") (param i32) (result i32) (unreachable))
