/* The demonstration application: its routes, given to the runtime. */
#include "midstream.h"

#include "routes/routes.h"

int main(int argc, char **argv)
{
    return mid_main(argc, argv, routes);
}
