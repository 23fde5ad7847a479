/*
 * System calls that no web handler needs fail with EPERM in this process and in all that it starts: tracing and reading
 * other processes, key rings, namespaces and mounts, kernel modules, the clock (docs/adr/0015-system-call-filter.md).
 */
#ifndef MASTER_SYSTEM_CALL_FILTER_H
#define MASTER_SYSTEM_CALL_FILTER_H

#include <stdbool.h>

/*
 * Sets no_new_privs and the filter, for all threads and for good. False with errno when the kernel refuses; the process
 * is as it was then, but for no_new_privs. seccomp(2), PR_SET_NO_NEW_PRIVS in prctl(2).
 */
bool system_call_filter_install(void);

#endif
