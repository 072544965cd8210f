;; Takes a thousand table elements after the other.
(table $table 1 funcref)
(func (export "decide") (param i32) (result i32)
  (loop $more (drop (table.grow $table (ref.null func) (i32.const 1000))) (br $more))
  (unreachable))
