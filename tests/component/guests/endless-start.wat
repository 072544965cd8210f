;; Never even begins.
(start $begin)
(func $begin (loop $forever (br $forever)))
(func (export "decide") (param i32) (result i32) (unreachable))
