/*
 * A list of what is denied, as a seccomp filter. See system_call_filter.h.
 *
 * The filter looks at nothing but the architecture and the number, so that Linux (5.11 and later) knows from its bitmap
 * which calls are allowed, without running it.
 */
#include "master/system_call_filter.h"

#include <assert.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#ifdef ARCHITECTURE

enum { X32_BIT = 0x40000000, DENIED_MAX = 128, OVERHEAD = 8 };

static const int denied[] = {
/* Other processes' memory, registers and descriptors. LeakSanitizer traces its own process at the end. */
#if !defined(__SANITIZE_ADDRESS__)
    SYS_ptrace,
#endif
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_pidfd_getfd,
    SYS_kcmp,
    /* The kernel's key rings */
    SYS_add_key,
    SYS_keyctl,
    SYS_request_key,
    /* What has been the way into the kernel again and again */
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    /* Namespaces, mounts and other roots */
    SYS_unshare,
    SYS_setns,
    SYS_mount,
    SYS_umount2,
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_pivot_root,
    SYS_chroot,
    SYS_open_by_handle_at,
    SYS_fanotify_init,
    SYS_quotactl,
    SYS_swapon,
    SYS_swapoff,
    /* The kernel and the machine */
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_reboot,
    SYS_acct,
    SYS_syslog,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_vhangup,
    /* The clock */
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
#if defined(__x86_64__)
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
#endif
};

static const size_t denied_count = sizeof(denied) / sizeof(denied[0]);

static_assert(sizeof(denied) / sizeof(denied[0]) <= DENIED_MAX, "a jump reaches 255 instructions");

/* The jumps of an instruction count from the one behind it. */
static unsigned short build(struct sock_filter code[static DENIED_MAX + OVERHEAD])
{
    const struct sock_filter deny = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    unsigned short count = 0;
    code[count++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    code[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
    code[count++] = deny; /* 32-bit programs have other numbers */
    code[count++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    code[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, (uint8_t)(denied_count + 1), 0);
    for (size_t i = 0; i < denied_count; i++)
        code[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)denied[i],
                                                     (uint8_t)(denied_count - i), 0);
    code[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[count++] = deny;
    return count;
}

bool system_call_filter_install(void)
{
    struct sock_filter code[DENIED_MAX + OVERHEAD];
    const struct sock_fprog program = {.len = build(code), .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return false;
    /* Without SPEC_ALLOW kernels before 5.16 slow the whole process down, for programs that run code of strangers. */
    long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                          SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program);
    if (result > 0) /* the thread that has another filter */
        errno = EBUSY;
    return result == 0;
}

#else

bool system_call_filter_install(void)
{
    errno = ENOSYS;
    return false;
}

#endif
