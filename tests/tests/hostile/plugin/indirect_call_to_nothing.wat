;; Calls through an empty table.
;; => Trap: trapped in relobox_plan

(table 4 funcref)

(type $f (func (result i32)))

(func (export "relobox_plan") (param $job i32) (result i32)
  (call_indirect (type $f) (i32.const 0)))
