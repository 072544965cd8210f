;; Answers behind its memory.
(func (export "decide") (param i32) (result i32) (i32.const -4))
