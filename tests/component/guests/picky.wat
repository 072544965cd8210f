;; Likes no configuration, for two reasons, one of which would forge a line.
(data (i32.const 16) "\20\00\00\00\06\00\00\00\28\00\00\00\09\00\00\00")
(data (i32.const 32) "no key\00\00two\nlines")
(func (export "check-config") (param i32 i32) (result i32)
  (i32.store8 (i32.const 0) (i32.const 1))
  (i32.store (i32.const 4) (i32.const 16)) (i32.store (i32.const 8) (i32.const 2))
  (i32.const 0))
(func (export "decide") (param i32) (result i32) (unreachable))
