;; Cannot write.
;; => Unusable: it does not export a proper "relobox_emit"

(func (export "relobox_emit"))
