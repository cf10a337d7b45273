

# Names of modules: those that modprobe finds, and those that are loaded.
_relobox_installed() {
    local file
    while IFS= read -r file; do
        file=${file%%:*}
        file=${file##*/}
        printf '%s\n' "${file%%.ko*}"
    done 2>/dev/null <"${RELOBOX_MODULES_DEP:-/lib/modules/$(uname -r)/modules.dep}"
}
_relobox_loaded() {
    local name rest
    while read -r name rest; do
        printf '%s\n' "$name"
    done 2>/dev/null </proc/modules
}
_relobox_modules() {
    _relobox "$@"
    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} names=
    if [[ $COMP_CWORD -lt 2 || $word == -* ]]; then
        return 0
    fi
    case $command in
        modprobe) names=$(_relobox_installed) ;;
        rmmod) names=$(_relobox_loaded) ;;
        *) return 0 ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$names" -- "$word")
}
complete -F _relobox_modules -o nosort -o bashdefault -o default relobox
