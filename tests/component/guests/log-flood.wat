;; Logs for ever.
(data (i32.const 64) "flood")
(func (export "decide") (param i32) (result i32)
  (loop $more (call $log (i32.const 3) (i32.const 64) (i32.const 5)) (br $more))
  (unreachable))
