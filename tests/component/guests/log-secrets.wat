;; Logs a forged line, and 20 times its client's tracking ID; then answers none.
(data (i32.const 64) "fine\nERROR forged")
(func (export "decide") (param $request i32) (result i32)
  (local $line i32)
  (call $log (i32.const 2) (i32.const 64) (i32.const 17))
  (loop $again
    (call $log (i32.const 1) (i32.load offset=80 (local.get $request)) (i32.load offset=84 (local.get $request)))
    (local.set $line (i32.add (local.get $line) (i32.const 1)))
    (br_if $again (i32.lt_u (local.get $line) (i32.const 20))))
  (i32.store (i32.const 4) (i32.const 1))
  (i32.const 0))
