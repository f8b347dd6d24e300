#!/bin/sh
# t/hardening.sh PROGRAM ...: whether programs and libraries were built as hard as Makefile means it, by readelf. Silent when
# they are; otherwise a line for each lack, and 1. Not for stripped files: what each unit was compiled with is read from the
# debug information. From the root of the repository, since the preprocessor's flags are asked of the Makefile.
#
# CET: on x86 each of our units is compiled with -fcf-protection=full, so whatever can be jumped to begins with endbr64. The mark
# of the whole file (IBT, SHSTK) is set by the linker only where every part has it, and Debian 12's Scrt1.o and crti.o have it
# not: its C library is built without CET. The linker's -z ibt and -z shstk would set the mark all the same, and claim of those
# parts what is not so; a kernel that believes it could end the program at its first jump into them. So the mark is asked for
# only where the C library's parts have it.
set -u
bad=0
lacks() { # WHAT
    echo "t/hardening.sh: $program: $1" >&2
    bad=1
}
# has TEXT PATTERN WHAT, hasnt TEXT PATTERN WHAT
has() {
    printf '%s\n' "$1" | grep -Eq -e "$2" || lacks "$3"
}
hasnt() {
    ! printf '%s\n' "$1" | grep -Eq -e "$2" || lacks "$3"
}

look_at_file() {
    header=$(readelf -hW "$program")
    segments=$(readelf -lW "$program")
    dynamic=$(readelf -dW "$program")
    symbols=$(readelf -W --dyn-syms "$program")

    has "$header" 'Type: +DYN' "not position independent (-fPIE -pie)"
    if printf '%s\n' "$segments" | grep -q 'INTERP'; then
        has "$dynamic" 'FLAGS_1.* PIE' "not a position independent program (-pie)"
    fi
    has "$segments" 'GNU_RELRO' "no RELRO (-Wl,-z,relro)"
    has "$dynamic" 'BIND_NOW|FLAGS_1.* NOW' "RELRO is partial: functions are bound late (-Wl,-z,now)"
    has "$segments" 'GNU_STACK .* RW +0x' "an executable stack, or none said (-Wl,-z,noexecstack)"
    hasnt "$segments" ' (RWE|WE) +0x' "a segment that can be written and executed"
    hasnt "$dynamic" 'TEXTREL' "relocations in the code"
    hasnt "$dynamic" 'RPATH|RUNPATH' "a search path for libraries of its own"
    has "$symbols" ' __stack_chk_fail(@|$)' "no stack protector (-fstack-protector-strong)"
    has "$symbols" ' __[a-z]+_chk(@|$)' "no fortified call (-D_FORTIFY_SOURCE with -O2)"
}

# Every unit, since one that was compiled otherwise doesn't show in the file as a whole.
look_at_units() {
    units=$(readelf --debug-dump=info "$program" 2>/dev/null | sed -n 's/.*DW_AT_producer *: //p')
    if [ -z "$units" ]; then
        lacks "no debug information; look at it before it is stripped"
        return
    fi
    for flag in -O2 -fstack-protector-strong -fstack-clash-protection "$branches"; do
        others=$(printf '%s\n' "$units" | grep -vc -e "$flag")
        [ "$others" -eq 0 ] || lacks "$others of its units were compiled without $flag"
    done
    others=$(printf '%s\n' "$units" | grep -Evc -e '-fPIE|-fPIC')
    [ "$others" -eq 0 ] || lacks "$others of its units were compiled without -fPIE or -fPIC"
}

is_marked() {
    readelf -nW "$1" | grep -q 'IBT, SHSTK'
}
# What tells a processor which jumps are meant.
look_at_branches() {
    [ "$branches" = -fcf-protection=full ] || return 0
    if is_marked "$($CC -print-file-name=crti.o)" && is_marked "$($CC -print-file-name=Scrt1.o)" && ! is_marked "$program"; then
        lacks "no mark of IBT and SHSTK, though the C library's own parts have it"
    fi
    # The mark is of what the compiler wrote; this is what it wrote.
    if readelf -sW "$program" | grep -Eq ' FUNC +GLOBAL +DEFAULT +[0-9]+ main$'; then
        has "$(objdump -d --no-show-raw-insn --disassemble=main "$program" | sed -n '/<main>:/{n;p;q}')" 'endbr64' \
            "main does not begin with endbr64"
    fi
}

# Which level of _FORTIFY_SOURCE the C library's headers understand from the Makefile's flags: no file tells it.
look_at_fortify() {
    program=Makefile
    wanted=2
    [ "$($CC -dumpversion | cut -d. -f1)" -lt 12 ] || wanted=3
    # shellcheck disable=SC2086 # flags
    level=$(echo '#include <features.h>' | $CC $flags -E -dM - 2>/dev/null | sed -n 's/^#define __USE_FORTIFY_LEVEL //p')
    [ "${level:-0}" -ge $wanted ] || lacks "_FORTIFY_SOURCE is ${level:-0}, and this compiler has $wanted"
}

if [ $# -eq 0 ]; then
    echo "usage: t/hardening.sh PROGRAM ..., from the root of the repository" >&2
    exit 2
fi
# shellcheck disable=SC2016 # make's variables
ask='ask: ; @echo "$(CC)"; echo "$(filter -O% -D_FORTIFY% -U%,$(CFLAGS))"'
answer=$(make --no-print-directory --eval "$ask" ask) || exit 1
CC=$(printf '%s\n' "$answer" | sed -n 1p)
flags=$(printf '%s\n' "$answer" | sed -n 2p)
case $($CC -dumpmachine) in
x86_64-* | i?86-*) branches=-fcf-protection=full ;;
aarch64-*) branches=-mbranch-protection=standard ;;
*) branches=-fPI ;; # nothing that we know of; true of all units
esac

for program in "$@"; do
    if ! readelf -hW "$program" >/dev/null 2>&1; then
        lacks "not there, or not an ELF file"
        continue
    fi
    look_at_file
    look_at_units
    look_at_branches
done
look_at_fortify
exit $bad
