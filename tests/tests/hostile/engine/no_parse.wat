;; Cannot read.
;; => Unusable: it does not export a proper "relobox_parse"

(func (export "relobox_parse"))
