/* Shares of a time. See share.h. */
#include "base/share.h"

#include <unistd.h>

uint32_t share_next(void)
{
    static const uint32_t golden = 0x9E3779B9; /* 2^32 over the golden ratio */
    static uint32_t share;
    if (share == 0)
        share = (uint32_t)getpid() * golden;
    share += golden;
    return share | 1;
}
