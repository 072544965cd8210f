;; Go's runtime asks the system for a few things when it starts and while it collects garbage. Here it gets its answers inside
;; the component, so that no WASI is left to import: there are no arguments, no environment, no files; what is written to
;; stdout or stderr is dropped; time passes by a microsecond with each look at the clock; and the random bytes are the same in
;; every instance: good enough for hash tables, not for secrets.
(module
  (import "env" "memory" (memory 0))
  (global $clock (mut i64) (i64.const 1_000_000_000))
  (global $random (mut i64) (i64.const 88172645463325252))

  ;; errno: 0 is success, 8 is "bad file descriptor".
  (func $nothing (param $count i32) (param $bytes i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $bytes) (i32.const 0))
    (i32.const 0))
  (func $fine (param i32 i32) (result i32) (i32.const 0))
  (func $no-file-1 (param i32) (result i32) (i32.const 8))
  (func $no-file-2 (param i32 i32) (result i32) (i32.const 8))
  (func $no-file-3 (param i32 i32 i32) (result i32) (i32.const 8))
  (func $no-file-4 (param i32 i32 i32 i32) (result i32) (i32.const 8))

  (export "args_sizes_get" (func $nothing))
  (export "args_get" (func $fine))
  (export "environ_sizes_get" (func $nothing))
  (export "environ_get" (func $fine))
  (export "fd_close" (func $no-file-1))
  (export "fd_fdstat_get" (func $no-file-2))
  (export "fd_fdstat_set_flags" (func $no-file-2))
  (export "fd_prestat_get" (func $no-file-2))
  (export "fd_prestat_dir_name" (func $no-file-3))
  (export "fd_read" (func $no-file-4))
  (func (export "sched_yield") (result i32) (i32.const 0))
  ;; A panic ends here, and so the gateway sees a trap.
  (func (export "proc_exit") (param $code i32) unreachable)

  (func (export "clock_time_get") (param $which i32) (param $precision i64) (param $time i32) (result i32)
    (global.set $clock (i64.add (global.get $clock) (i64.const 1000)))
    (i64.store (local.get $time) (global.get $clock))
    (i32.const 0))

  ;; Says that everything has been written: the sum of the pieces' lengths.
  (func (export "fd_write") (param $file i32) (param $piece i32) (param $pieces i32) (param $written i32) (result i32)
    (local $sum i32)
    (loop $next
      (if (local.get $pieces)
        (then
          (local.set $sum (i32.add (local.get $sum) (i32.load offset=4 (local.get $piece))))
          (local.set $piece (i32.add (local.get $piece) (i32.const 8)))
          (local.set $pieces (i32.sub (local.get $pieces) (i32.const 1)))
          (br $next))))
    (i32.store (local.get $written) (local.get $sum))
    (i32.const 0))

  ;; Marsaglia's xorshift, a byte at a time.
  (func (export "random_get") (param $at i32) (param $bytes i32) (result i32)
    (loop $next
      (if (local.get $bytes)
        (then
          (global.set $random (i64.xor (global.get $random) (i64.shl (global.get $random) (i64.const 13))))
          (global.set $random (i64.xor (global.get $random) (i64.shr_u (global.get $random) (i64.const 7))))
          (global.set $random (i64.xor (global.get $random) (i64.shl (global.get $random) (i64.const 17))))
          (i32.store8 (local.get $at) (i32.wrap_i64 (i64.shr_u (global.get $random) (i64.const 32))))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (local.set $bytes (i32.sub (local.get $bytes) (i32.const 1)))
          (br $next))))
    (i32.const 0))

  ;; Nothing waits here: the first thing to wait for has happened. An event takes 32 bytes and begins with the name
  ;; that its subscription has.
  (func (export "poll_oneoff") (param $wanted i32) (param $events i32) (param $count i32) (param $happened i32)
    (result i32)
    (memory.fill (local.get $events) (i32.const 0) (i32.const 32))
    (i64.store (local.get $events) (i64.load (local.get $wanted)))
    (i32.store (local.get $happened) (i32.const 1))
    (i32.const 0)))
