/* The demonstration application: its routes and tasks, given to the runtime. */
#include "midstream.h"

#include "routes/routes.h"

int main(int argc, char **argv)
{
    return mid_run(argc, argv, &(struct mid_app){.routes = routes, .tasks = tasks});
}
