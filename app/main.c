/* The demonstration application: its routes and tasks, given to the runtime. */
#include "midstream.h"

#include "routes/routes.h"

int main(int argc, char **argv)
{
    mid_task_register(tasks);
    return mid_main(argc, argv, routes);
}
