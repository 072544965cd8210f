;; Logs a line of a million bytes.
(func (export "decide") (param i32) (result i32)
  (drop (memory.grow (i32.const 17)))
  (call $log (i32.const 3) (i32.const 65536) (i32.const 1000000))
  (i32.const 0))
