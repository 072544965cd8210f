;; Never comes back.
(func (export "decide") (param i32) (result i32) (loop $forever (br $forever)) (unreachable))
