;; Defers to a method with a name of a million bytes.
(func (export "decide") (param i32) (result i32)
  (drop (memory.grow (i32.const 17)))
  (i32.store (i32.const 4) (i32.const 2))
  (i32.store (i32.const 8) (i32.const 65536)) (i32.store (i32.const 12) (i32.const 1000000))
  (i32.const 0))
