;; Every one of 100,000 undefined symbols has the whole file as its name.
;; => MalformedAnswer: the length of all names of the module is out of bounds

(data (i32.const 0x418) (i32 0x100000 100000))

(func (export "relobox_parse") (param i32 i32 i32) (result i32)
  (local $at i32)
  (drop (memory.grow (i32.const 80)))
  (local.set $at (i32.const 0x100000))
  (loop $more
    (i32.store offset=20 (local.get $at) (i32.const 128))
    (i32.store16 offset=30 (local.get $at) (i32.const 1))
    (local.set $at (i32.add (local.get $at) (i32.const 40)))
    (br_if $more (i32.lt_u (local.get $at) (i32.const 0x4d0900))))
  (i32.const 0x400))
