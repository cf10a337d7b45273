;; Says in its custom section that it links what its description does not have: the description counts, and
;; another plugin links the module.
;; => links

(@custom "relobox.machines" "\3e\00\40\01\ff\ff\ff\ff\ad\0b\00\00")
(data (i32.const 0x480) (i16 0x1234))
