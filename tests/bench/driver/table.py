"""The figures as a table for people."""


def spread(value, form="{:.0f}"):
    return f"{form.format(value['median'])} ({form.format(value['min'])} to {form.format(value['max'])})"


def of_machine(machine):
    yield f"{machine['cores']} cores of {machine['processor']}, {machine['memory_gib']} GiB, kernel {machine['kernel']}"
    yield f"{machine['midstream']} ({machine['commit']}), load before the run {machine['load_before']:.2f}"


def of_requests(requests):
    yield "Requests: wrk, 64 connections, medians (and ranges) over interleaved rounds"
    yield f"  {'system':<24} {'requests/s':<26} {'p50 / p99 ms':<16} CPU microseconds per request"
    for name, system in requests["systems"].items():
        latency = f"{system['p50_us']['median'] / 1000:.1f} / {system['p99_us']['median'] / 1000:.1f}"
        cpu = ", ".join(f"{group} {value['median']:.1f}" for group, value in system["cpu_us"].items())
        bad = f"   {system['bad_answers']} BAD ANSWERS" if system["bad_answers"] else ""
        others = f"others {system['others_cores']['median']:.1f} cores"
        yield f"  {name:<24} {spread(system['requests_per_s']):<26} {latency:<16} {cpu}; {others}{bad}"
    for name, value in requests["ratios"].items():
        yield f"  {name:<44} {spread(value, '{:.2f}')}, within each round"
    yield f"  {'/counter of /null, by CPU time':<44} {requests['cpu_ratio']:.2f}, as if nothing else ran"


def of_streams(streams):
    yield "Streams: one event and one session commit per second each; lateness in ms"
    yield (
        f"  {'streams':>7} {'complete':>9} {'events':>8} {'lost':>5}   {'p50':>6} {'p99':>7} {'p99.9':>7} {'max':>7}"
        f"   {'best fit p99':>12} {'gap p99':>8} {'drift':>6}   cores"
    )
    for run in streams:
        late, fit, gap = run["late_from_first_ms"], run["late_best_fit_ms"], run["late_gap_ms"]
        cores = ", ".join(f"{group} {value:.2f}" for group, value in run["cores"].items())
        yield (
            f"  {run['streams']:>7} {run['complete']:>9} {run['events']:>8} {run['lost']:>5}"
            f"   {late['p50']:>6.2f} {late['p99']:>7.2f} {late['p999']:>7.2f} {late['max']:>7.2f}"
            f"   {fit['p99']:>12.2f} {gap['p99']:>8.2f} {run['drift_per_event_ms']['p50']:>6.2f}   {cores}"
        )


def of_quantiles(value):
    return f"{value['p50']:.2f} / {value['p99']:.2f} / {value['max']:.2f}" if value["count"] > 0 else "-"


def of_live(live):
    yield "Live sessions: from sending a request until a stream of the session shows what it did; p50 / p99 / max ms"
    yield f"  {'a commit, by number of streams':<34} {'answered':<24} {'seen by its stream':<24} failed"
    for run in live["seen"]:
        name = f"{run['streams']}, each of its own session"
        answered, seen = of_quantiles(run["answered_ms"]), of_quantiles(run["seen_ms"])
        yield f"  {name:<34} {answered:<24} {seen:<24} {run['not_done']}"
    for run in live["watched"]:
        answered, seen = of_quantiles(run["answered_ms"]), of_quantiles(run["seen_ms"])
        yield f"  {str(run['watchers']) + ' of the one session':<34} {answered:<24} {seen:<24} {run['not_done']}"
    yield "  what such a commit costs, with its streams"
    for run in live["watched"]:
        if run["not_done"] > 0:
            continue
        cpu = ", ".join(f"{group} {value:.0f}" for group, value in run["cpu_us"].items())
        commands = ", ".join(f"{command} {count:g}" for command, count in run["redis_commands"].items())
        yield f"    {run['watchers']:>3} streams: CPU microseconds {cpu}; Redis commands {commands}"
    run = live["revocation"]
    answered = run["answered_ms"]["max"]
    yield (
        f"  {run['streams']} sessions of a user, ended by one request: answered after {answered:.0f} ms,"
        f" their streams ended after {of_quantiles(run['seen_ms'])}; {run['not_done']} failed"
    )


def of_memory(run):
    memory = run.get("memory_kib_per_stream")
    if memory is None:
        yield "Memory: was not looked at"
        return
    yield f"Memory of a waiting stream, KiB, {memory['streams']} of them open"
    for group in ("worker", "nginx", "redis"):
        yield f"  {group:<24} {memory[group]['private']:.1f} private, {memory[group]['pss']:.1f} PSS"
    kernel = memory["kernel"]
    yield (
        f"  {'kernel, whole machine':<24} {kernel['slab']:.1f} slab, {kernel['tcp_queues']:.1f} TCP queues,"
        f" {kernel['page_tables']:.1f} page tables (sockets of client, nginx and worker)"
    )


def of_syscalls(name, counted):
    if counted is None:
        yield f"    {name:<22} not counted: strace is not there or may not look"
        return
    most_first = sorted(counted["calls"].items(), key=lambda item: -item[1])
    calls = ", ".join(f"{call} {count:g}" for call, count in most_first)
    yield f"    {name:<22} {counted['total']:g}: {calls}"


def of_cost(cost):
    yield "What one request costs"
    for path, one in cost.items():
        yield f"  {path}"
        commands = ", ".join(f"{command} {count:g}" for command, count in one["redis_commands"].items())
        yield f"    {'Redis commands':<22} {commands or 'none'}"
        yield from of_syscalls("system calls, alone", one["syscalls_alone"])
        yield from of_syscalls("system calls, loaded", one["syscalls_loaded"])
        count = one["instructions"]
        yield f"    {'instructions':<22} " + ("not counted: no valgrind" if count is None else f"{count} in user mode")


def of_all(results):
    parts = {"requests": of_requests, "streams": of_streams, "live": of_live, "memory": of_memory, "cost": of_cost}
    yield from of_machine(results["machine"])
    for part, table in parts.items():
        if part in results:
            yield ""
            yield from table(results[part])
