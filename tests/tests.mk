# The tests; included by the Makefile, whose variables it uses.
#
# They are built and run with ASan and UBSan (FLAVOUR=asan), unless a flavour is named: `make test-unit FLAVOUR=release`.
# TEST_FILTER chooses some of them by Criterion's pattern: `make test-unit TEST_FILTER='token/*'`.

TEST_FLAVOUR := $(if $(filter file,$(origin FLAVOUR)),asan,$(FLAVOUR))
TEST_JOBS    ?= 3
TEST_FILTER  ?=
# A cluster takes two seconds before it takes anything, in which nothing is done.
CLUSTER_JOBS ?= 5
FUZZ_SECONDS ?= 5

UNIT_TESTS        := $(BUILD)/tests/unit-tests
INTEGRATION_TESTS := $(BUILD)/tests/integration-tests
HANDLER_TESTS     := $(BUILD)/tests/handler-tests
BROWSER_TESTS     := $(BUILD)/tests/browser-tests
INTEGRATION_APP   := $(BUILD)/tests/integration-app
SCREENSHOT        := $(BUILD)/tests/screenshot

TEST_SUPPORT_OBJECTS     := $(call objects,$(wildcard tests/support/*.c))
UNIT_TEST_OBJECTS        := $(call objects,$(wildcard tests/unit/*/*.c))
INTEGRATION_APP_SOURCES  := $(wildcard tests/integration/app/*.c) # a program of its own
INTEGRATION_TEST_OBJECTS := $(call objects,$(filter-out $(INTEGRATION_APP_SOURCES),\
                                $(wildcard tests/integration/*.c tests/integration/*/*.c)))
HANDLER_TEST_SOURCES     := $(wildcard tests/handlers/*.c)
SCREENSHOT_SOURCE        := tests/browser/screenshot.c # a program of its own
BROWSER_TEST_OBJECTS     := $(call objects,$(filter-out $(SCREENSHOT_SOURCE),$(wildcard tests/browser/*.c)))

$(BUILD)/tests/%.o: CPPFLAGS += -Itests

TEST_LIBS := -lcriterion $(shell $(PKG_CONFIG) --libs libcurl) $(LDLIBS)
LINK_TEST  = $(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

$(UNIT_TESTS): $(UNIT_TEST_OBJECTS) $(LIBRARY_OBJECTS)
	$(LINK_TEST) $(TEST_LIBS)

$(INTEGRATION_TESTS): $(INTEGRATION_TEST_OBJECTS) $(TEST_SUPPORT_OBJECTS) $(LIBRARY_OBJECTS)
	$(LINK_TEST) $(TEST_LIBS)

$(BROWSER_TESTS): $(BROWSER_TEST_OBJECTS) $(TEST_SUPPORT_OBJECTS) $(LIBRARY_OBJECTS)
	$(LINK_TEST) $(TEST_LIBS)

$(SCREENSHOT): $(call objects,$(SCREENSHOT_SOURCE)) $(TEST_SUPPORT_OBJECTS) $(LIBRARY_OBJECTS)
	$(LINK_TEST) $(TEST_LIBS)

# As anybody would build an application: the public header, and the static library. So no -Iapp, and no objects of ours.
$(INTEGRATION_APP): $(INTEGRATION_APP_SOURCES) $(wildcard tests/integration/app/*.h) $(BUILD)/libmidstream.a \
                    $(PUBLIC_HEADERS)
	$(Q)mkdir -p $(@D)
	$(CC) -D_GNU_SOURCE -Iapp/include $(CFLAGS) $(LDFLAGS) -o $@ $(INTEGRATION_APP_SOURCES) $(BUILD)/libmidstream.a \
	    $(LDLIBS)

# As an application's own tests: the public headers, and the library for tests instead of the library.
$(HANDLER_TESTS): $(HANDLER_TEST_SOURCES) $(wildcard tests/handlers/*.h) $(BUILD)/libmidstream-test.a $(PUBLIC_HEADERS)
	$(Q)mkdir -p $(@D)
	$(CC) -D_GNU_SOURCE -Iapp/include $(CFLAGS) $(LDFLAGS) -o $@ $(HANDLER_TEST_SOURCES) $(BUILD)/libmidstream-test.a \
	    $(TEST_LIBS)

RUN_TEST = MIDSTREAM=$(abspath $(BUILD)/midstream) INTEGRATION_APP=$(abspath $(INTEGRATION_APP)) \
           UBSAN_OPTIONS=print_stacktrace=1 LD_BIND_NOW=1 \
           LSAN_OPTIONS=suppressions=$(abspath tests/lsan.supp):print_suppressions=0 \
           $(TEST_WRAPPER) $< --jobs $(TEST_JOBS) $(if $(TEST_FILTER),--filter '$(TEST_FILTER)')

.PHONY: test-unit test-handlers test-integration test-cluster test-speeds test-browser test-fuzz test-valgrind
test-unit: ## unit tests (tests/unit, no network)
	$(MAKE) --jobs=$(BUILD_JOBS) FLAVOUR=$(TEST_FLAVOUR) run-test-unit

test-handlers: ## tests of handlers in their own process (libmidstream-test), with Redis
	$(MAKE) --jobs=$(BUILD_JOBS) FLAVOUR=$(TEST_FLAVOUR) run-test-handlers

test-integration: ## tests with the real nginx, Redis and workers
	$(MAKE) --jobs=$(BUILD_JOBS) FLAVOUR=$(TEST_FLAVOUR) run-test-integration

test-cluster: ## all integration tests on a Redis Cluster of three masters and three replicas, where they can
	REDIS_CLUSTER=1 $(MAKE) --jobs=$(BUILD_JOBS) FLAVOUR=$(TEST_FLAVOUR) run-test-integration TEST_JOBS=$(CLUSTER_JOBS) \
	    TEST_FILTER='!(redis_@(client|cluster|cluster_*|recovery|suspicion|password|durability|doubt|sentinel|sentinel_lies|tls|users|unasked|clock))/*'

test-speeds: ## random commits the fast way and the slow one (part of test-integration; SEED=1 COUNT=100000)
	$(MAKE) --jobs=$(BUILD_JOBS) FLAVOUR=$(TEST_FLAVOUR) run-test-integration TEST_FILTER='two_speeds*/*'

test-browser: ## tests of the page in headless Chromium
	$(MAKE) --jobs=$(BUILD_JOBS) FLAVOUR=$(TEST_FLAVOUR) run-test-browser

# Criterion does not see how valgrind ends a test's process, so the reports are read afterwards. Leaks are ASan's
# business: Criterion's own libraries have some.
test-valgrind: ## unit tests under valgrind
	rm -rf build/debug/valgrind && mkdir -p build/debug/valgrind
	$(MAKE) --jobs=$(BUILD_JOBS) FLAVOUR=debug run-test-unit TEST_JOBS=1 \
	    TEST_WRAPPER='valgrind --trace-children=yes --log-file=build/debug/valgrind/%p'
	@with_errors=$$(grep -L 'ERROR SUMMARY: 0 errors' build/debug/valgrind/*); \
	    [ -z "$$with_errors" ] || { cat $$with_errors; exit 1; }

# Where clang has no libFuzzer, the regression corpus is still replayed.
test-fuzz: ## fuzzes each parser for FUZZ_SECONDS (5), beginning with tests/fuzz/corpus
	@if printf '#include "fuzz.h"\nint LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) { return d && n ? 0 : 0; }' | \
	    clang -Itests/fuzz -fsanitize=fuzzer -x c - -o /dev/null 2>/dev/null; then \
	    $(MAKE) --jobs=$(BUILD_JOBS) FLAVOUR=fuzz CC=clang run-test-fuzz; \
	else \
	    echo "clang has no libFuzzer here: replaying the corpus only"; \
	    $(MAKE) --jobs=$(BUILD_JOBS) FLAVOUR=$(TEST_FLAVOUR) run-test-replay; \
	fi

.PHONY: run-test-unit run-test-handlers run-test-integration run-test-browser
run-test-unit: $(UNIT_TESTS)
	$(RUN_TEST)

run-test-handlers: $(HANDLER_TESTS)
	$(RUN_TEST)

run-test-integration: export SEED := $(SEED)
run-test-integration: export COUNT := $(COUNT)
# Those of the Redis client, a second time with TLS; and those of what is stored, a second time with a Redis Cluster.
run-test-integration: $(INTEGRATION_TESTS) $(INTEGRATION_APP) $(BUILD)/midstream
	$(RUN_TEST)
	$(if $(TEST_FILTER),,REDIS_TLS=1 $(MAKE) FLAVOUR=$(FLAVOUR) run-test-integration \
	    TEST_FILTER='redis_@(client|recovery|suspicion|password|durability|doubt)/*')
	$(if $(TEST_FILTER),,REDIS_CLUSTER=1 $(MAKE) FLAVOUR=$(FLAVOUR) run-test-integration TEST_JOBS=$(CLUSTER_JOBS) \
	    TEST_FILTER='@(calls|fields|forms|lifetimes|logins|redis_command|sessions|streams|task_sessions|tasks|tasks_crashes)/*')

run-test-browser: $(BROWSER_TESTS) $(BUILD)/midstream
	$(RUN_TEST)

# -------------------- fuzzing --------------------

# clang warns about other things than gcc, which is the compiler that has to be satisfied.
CFLAGS_fuzz  := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -w
LDFLAGS_fuzz := -fsanitize=address,undefined

FUZZ_TARGETS  := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c))
FUZZ_DIR      := $(BUILD)/tests/fuzz
FUZZ_DURATION := $(if $(filter 0,$(FUZZ_SECONDS)),-runs=0,-max_total_time=$(FUZZ_SECONDS))

# An archive, so that a target is linked only with what it uses.
$(FUZZ_DIR)/library.a: $(LIBRARY_OBJECTS) $(patsubst %,$(FUZZ_DIR)/support/%.o,fake_redis made_answer redis_input)
	$(Q)mkdir -p $(@D) && rm -f $@
	$(Q)$(AR) rcs $@ $^

# Or libfcgi's own system calls would be taken, which are asked for later than the archive is read.
$(FUZZ_DIR)/request-fuzzer $(FUZZ_DIR)/request-replay: LDFLAGS += -Wl,-u,OS_LibInit

$(FUZZ_TARGETS:%=$(FUZZ_DIR)/%-fuzzer): %-fuzzer: %.o $(FUZZ_DIR)/library.a
	$(Q)echo '  LINK    $@'
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)

$(FUZZ_TARGETS:%=$(FUZZ_DIR)/%-replay): %-replay: %.o $(FUZZ_DIR)/support/replay.o $(FUZZ_DIR)/library.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

.PHONY: fuzz
fuzz: ## HOURS (1) of fuzzing in all; what was learnt stays in fuzz-corpus/ for the next time
	scripts/setup test
	scripts/fuzz --hours $(or $(HOURS),1)

.PHONY: $(FUZZ_TARGETS:%=%-fuzzer)
$(FUZZ_TARGETS:%=%-fuzzer): %: $(FUZZ_DIR)/%

# What is found on the way stays under $(BUILD); a crash is to be copied to tests/fuzz/corpus/TARGET/.
.PHONY: run-test-fuzz $(FUZZ_TARGETS:%=run-fuzz-%)
run-test-fuzz: $(FUZZ_TARGETS:%=run-fuzz-%)
$(FUZZ_TARGETS:%=run-fuzz-%): run-fuzz-%: $(FUZZ_DIR)/%-fuzzer
	@mkdir -p $(FUZZ_DIR)/found/$*
	$< $(FUZZ_DURATION) -max_len=4096 -timeout=10 -print_final_stats=1 -artifact_prefix=$(FUZZ_DIR)/$*- \
	    $(FUZZ_DIR)/found/$* $(wildcard tests/fuzz/corpus/$*) > $(FUZZ_DIR)/$*.log 2>&1 || \
	    { tail -n 60 $(FUZZ_DIR)/$*.log; exit 1; }
	@sed -n 's/^stat::number_of_executed_units:/$*: no crash, inputs tried:/p' $(FUZZ_DIR)/$*.log

.PHONY: run-test-replay $(FUZZ_TARGETS:%=run-replay-%)
run-test-replay: $(FUZZ_TARGETS:%=run-replay-%)
$(FUZZ_TARGETS:%=run-replay-%): run-replay-%: $(FUZZ_DIR)/%-replay
	$< $(wildcard tests/fuzz/corpus/$*/*)

# -------------------- soak --------------------

.PHONY: soak
soak: ## HOURS (2/3) of visitors and faults on a whole site; tells whether anything grows
	scripts/setup test
	$(MAKE) --jobs=$(BUILD_JOBS) FLAVOUR=release build/release/midstream
	scripts/soak $(if $(HOURS),--hours $(HOURS))

# -------------------- tasks, and faults --------------------

TASK_APP    := $(BUILD)/tests/task-app
FAULT_TESTS := $(BUILD)/tests/fault-tests
TASKS       ?= 1000 # of the long run with kills; the issue's figure is TASKS=10000

$(TASK_APP): tests/fault/app/main.c $(BUILD)/libmidstream.a $(PUBLIC_HEADERS)
	$(Q)mkdir -p $(@D)
	$(CC) -D_GNU_SOURCE -Iapp/include $(CFLAGS) $(LDFLAGS) -o $@ $< $(BUILD)/libmidstream.a $(LDLIBS)

$(FAULT_TESTS): $(call objects,$(wildcard tests/fault/*.c) tests/integration/site.c) $(TEST_SUPPORT_OBJECTS) $(LIBRARY_OBJECTS)
	$(LINK_TEST) $(TEST_LIBS)

run-test-integration: $(TASK_APP)

.PHONY: test-fault test-fault-short run-test-fault
test-fault: ## kills workers and Redis at random while TASKS (1000) tasks run, and accounts for each
	$(MAKE) --jobs=$(BUILD_JOBS) FLAVOUR=$(if $(filter file,$(origin FLAVOUR)),release,$(FLAVOUR)) run-test-fault TASKS=$(TASKS)

# FAULT_LONG=1 in the environment: a thousand streams and readers, fifty reloads.
test-fault-short: ## the fault tests but for the long run of tasks, in some 90 s (FAULT_LONG=1: with more of everything)
	$(MAKE) --jobs=$(BUILD_JOBS) FLAVOUR=$(TEST_FLAVOUR) run-test-fault TEST_FILTER='fault_@(clients|cluster|failover|logs|pool|redis|workers)/*'

run-test-fault: export TASKS := $(TASKS)
run-test-fault: $(FAULT_TESTS) $(BUILD)/midstream $(TASK_APP) $(INTEGRATION_APP)
	$(RUN_TEST)

# -------------------- the format of sessions --------------------

# tests/format/*.py is a program of somebody else, who has docs/session-format.md and none of the sources.
FORMAT_TESTS  := $(BUILD)/tests/format-tests
FORMAT_ORACLE := $(BUILD)/tests/format-oracle

$(FORMAT_TESTS): $(call objects,tests/format/format.c tests/integration/site.c) $(TEST_SUPPORT_OBJECTS) $(LIBRARY_OBJECTS)
	$(LINK_TEST) $(TEST_LIBS)

$(FORMAT_ORACLE): $(call objects,tests/format/oracle.c) $(LIBRARY_OBJECTS)
	$(LINK_TEST) $(LDLIBS)

.PHONY: test-format run-test-format
test-format: ## whether docs/session-format.md is true, by a Python program that knows nothing else
	$(MAKE) --jobs=$(BUILD_JOBS) FLAVOUR=$(TEST_FLAVOUR) run-test-format

run-test-format: export FORMAT_ORACLE := $(abspath $(FORMAT_ORACLE))
run-test-format: $(FORMAT_TESTS) $(FORMAT_ORACLE) $(BUILD)/midstream $(INTEGRATION_APP)
	$(RUN_TEST)

# -------------------- the model --------------------

MODEL_TESTS      := $(BUILD)/tests/model-tests
MODEL_APP        := $(BUILD)/tests/model-app
MODEL_APP_SOURCE := $(wildcard tests/model/app/*.c) # a program of its own; the tests write into its journal, too
OPERATIONS       ?= 100000
SEED             ?= $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')

$(MODEL_APP): $(MODEL_APP_SOURCE) $(wildcard tests/model/app/*.h) $(BUILD)/libmidstream.a $(PUBLIC_HEADERS)
	$(Q)mkdir -p $(@D)
	$(CC) -D_GNU_SOURCE -Iapp/include $(CFLAGS) $(LDFLAGS) -o $@ $(MODEL_APP_SOURCE) $(BUILD)/libmidstream.a $(LDLIBS)

$(MODEL_TESTS): $(call objects,$(wildcard tests/model/*.c) tests/model/app/journal.c tests/integration/site.c) \
                $(TEST_SUPPORT_OBJECTS) $(LIBRARY_OBJECTS)
	$(LINK_TEST) $(TEST_LIBS)

# FAULT_MS, KILL_MS, KEEP_GOING and JOURNAL in the environment: see tests/model/model.c.
.PHONY: test-model run-test-model
test-model: ## OPERATIONS (100000) of all kinds through a proxy that loses things, and a check of each answer (SEED)
	$(MAKE) --jobs=$(BUILD_JOBS) FLAVOUR=$(TEST_FLAVOUR) run-test-model OPERATIONS=$(OPERATIONS) SEED=$(SEED)

run-test-model: export OPERATIONS := $(OPERATIONS)
run-test-model: export SEED := $(SEED)
run-test-model: export MODEL_APP := $(abspath $(MODEL_APP))
run-test-model: $(MODEL_TESTS) $(MODEL_APP) $(BUILD)/midstream
	$(RUN_TEST)
