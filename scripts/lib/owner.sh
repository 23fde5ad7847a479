# Whose a path is, for root, who must not do in another user's directory what only root can. Source it.
# shellcheck shell=bash

# decides_over PATH: prints the id of the user who decides what PATH leads to: the first owner other than root of the
# directories and links on the way, or of what is there. 0: nobody but root can change it. Fails, with a message, where
# anybody may replace a part of it.
decides_over() {
    local at='' rest part uid gid mode links=0
    [[ $1 == /* ]] && rest=$1 || rest=$PWD/$1
    while [[ -n $rest ]]; do
        rest=${rest#/}
        part=${rest%%/*}
        rest=${rest#"$part"}
        case $part in
            '' | .) continue ;;
            ..)
                at=${at%/*}
                continue
                ;;
        esac
        # What is not there yet is made by whoever comes first; in a directory of root's that is root.
        read -r uid gid mode < <(stat -c '%u %g %a' -- "$at/$part" 2>/dev/null || printf '0 0 none\n')
        if [[ $mode == none ]]; then
            [[ /$rest/ != */../* ]] || die "$1 leads back from a directory that is not there; name it without .."
            break
        elif ((uid != 0)); then
            printf '%s\n' "$uid"
            return
        elif [[ -L $at/$part ]]; then
            ((++links <= 40)) || die "$1 has too many symbolic links"
            rest=$(readlink -- "$at/$part")$rest
            [[ $rest != /* ]] || at=''
        elif names_are_roots "$mode" "$gid"; then
            at=$at/$part
        else
            die "$at/$part can be written by other users, so root does not use it; name another directory"
        fi
    done
    printf '0\n'
}

# names_are_roots MODE GROUP_ID: whether in a directory of root's nobody else can replace what is not theirs: by the sticky
# bit, or because nobody else can write it.
names_are_roots() {
    local mode=$((8#$1))
    ((mode & 8#1000 || (!(mode & 8#2) && (!(mode & 8#20) || $2 == 0))))
}

# make_directory PATH: makes it, and the directories before it that are not there; all that is there is root's. Whoever is
# faster at a name in a directory that others can write makes it fail.
make_directory() {
    local at='' rest part
    [[ $1 == /* ]] && rest=$1 || rest=$PWD/$1
    while [[ -n $rest ]]; do
        rest=${rest#/}
        part=${rest%%/*}
        rest=${rest#"$part"}
        at=$at/$part
        [[ -d $at ]] || mkdir -- "$at" || return 1
        [[ $(decides_over "$at") == 0 ]] || die "$at has just been made by another user; try again"
    done
}

# as_words USER_ID: prints the command that gives root's rights up for those of that user, a word per line.
as_words() {
    local gid
    gid=$(getent passwd "$1" | cut -d : -f 4)
    printf '%s\n' setpriv --reuid="$1" --regid="${gid:-$1}" --clear-groups
}
