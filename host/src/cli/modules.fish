

# Names of modules: those that modprobe finds, and those that are loaded.
complete -c relobox -n "__fish_seen_subcommand_from modprobe" -f \
    -a "(string replace -r '^(.*/)?([^/:]*)\.ko.*' '\$2' < /lib/modules/(uname -r)/modules.dep)"
complete -c relobox -n "__fish_seen_subcommand_from rmmod" -f -a "(string replace -r ' .*' '' < /proc/modules)"
