;; What a panic compiles to.
(func (export "decide") (param i32) (result i32) (unreachable))
