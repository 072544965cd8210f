;; Takes one page of memory after the other, whether it gets it or not.
(func (export "decide") (param i32) (result i32)
  (loop $more (drop (memory.grow (i32.const 1))) (br $more))
  (unreachable))
