# Midstream. `make help` lists the targets; README.md says which two you need.
#
# A flavour has a build directory of its own: release (hardened, optimised), asan (ASan and UBSan, the default of the
# tests), tsan, and debug (for valgrind and gdb).

FLAVOUR ?= release
CC      := gcc
BUILD   := build/$(FLAVOUR)
VERSION := $(shell sed -n "s/^\#define MID_VERSION_[A-Z]* //p" app/include/midstream/app.h | paste -sd.)

# V=1 shows the commands.
Q := $(if $(V),,@)

# Compilers at once, of the targets that build and then run something; `make -j` is for all others.
BUILD_JOBS ?= $(shell nproc)

PACKAGES := hiredis libsodium libuv jansson libssl libcrypto
# On a fresh machine `make run` and `make test` come before what they install: no word about it then.
PKG_CONFIG := $(if $(shell command -v pkg-config),pkg-config --silence-errors,:)
PACKAGE_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PACKAGES))
PACKAGE_LIBS   := $(shell $(PKG_CONFIG) --libs $(PACKAGES))
CPPFLAGS += -D_GNU_SOURCE -Iapp/include -Iapp -I$(BUILD)/generated -DMIDSTREAM_VERSION='"$(VERSION)"' $(PACKAGE_CFLAGS)
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 \
            -Wundef -Wcast-qual -Wwrite-strings -Werror
CFLAGS   += -std=c17 -g -fvisibility=hidden -fno-omit-frame-pointer $(WARNINGS)
# libfcgi comes as an archive, so that its calls of the OS_* functions meet ours (docs/adr/0002-libfcgi-on-fibers.md).
LDLIBS   := -l:libfcgi.a $(PACKAGE_LIBS) -lpthread

CFLAGS_release  := -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE
LDFLAGS_release := -pie -Wl,-z,relro,-z,now
CFLAGS_asan     := -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined
LDFLAGS_asan    := -fsanitize=address,undefined
CFLAGS_tsan     := -O1 -fsanitize=thread -Wno-tsan
LDFLAGS_tsan    := -fsanitize=thread
CFLAGS_debug    := -O0
CFLAGS  += $(CFLAGS_$(FLAVOUR))
LDFLAGS += $(LDFLAGS_$(FLAVOUR))

# Every folder of app/ but the demonstration's is a room of the library; testing/ is of the one for tests, which has all.
LIBRARY_SOURCES := $(filter-out app/routes/% app/testing/%,$(wildcard app/*/*.c))
TESTING_SOURCES := $(wildcard app/testing/*.c)
PROGRAM_SOURCES := app/main.c $(wildcard app/routes/*.c)
PUBLIC_HEADERS  := app/include/midstream.h $(wildcard app/include/midstream/*.h)
LUA_SOURCES     := $(wildcard app/*/*.lua)

objects = $(patsubst %.c,$(BUILD)/%.o,$(1))
LIBRARY_OBJECTS := $(call objects,$(LIBRARY_SOURCES))
TESTING_OBJECTS := $(call objects,$(TESTING_SOURCES))
LUA_HEADERS     := $(patsubst app/%.lua,$(BUILD)/generated/%.lua.h,$(LUA_SOURCES))

.PHONY: all
all: $(BUILD)/midstream $(BUILD)/libmidstream.a $(BUILD)/libmidstream-test.a ## build program and libraries (FLAVOUR=release|asan|tsan|debug)

$(BUILD)/midstream: $(call objects,$(PROGRAM_SOURCES)) $(LIBRARY_OBJECTS)
	$(Q)echo '  LINK    $@'
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# One relocatable object in which only the mid_* names, and the OS_* names that libfcgi calls, are still visible.
$(BUILD)/libmidstream.a: $(LIBRARY_OBJECTS)
$(BUILD)/libmidstream-test.a: $(LIBRARY_OBJECTS) $(TESTING_OBJECTS)
$(BUILD)/libmidstream.a $(BUILD)/libmidstream-test.a:
	$(Q)echo '  LIBRARY $@'
	$(Q)$(LD) -r -o $(@:.a=.whole.o) $^
	$(Q)objcopy --localize-hidden $(@:.a=.whole.o)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $(@:.a=.whole.o)

$(BUILD)/%.o: %.c Makefile | $(LUA_HEADERS)
	$(Q)mkdir -p $(@D)
	$(Q)echo '  CC      $<'
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

.SECONDARY: $(LUA_HEADERS)

# A script becomes the inside of a C array: its bytes, and a NUL.
$(BUILD)/generated/%.lua.h: app/%.lua
	$(Q)mkdir -p $(@D)
	od -An -v -tx1 $< | sed -e 's/ \(..\)/0x\1,/g' -e '$$a 0' > $@

include tests/tests.mk

# -------------------- run --------------------

.PHONY: run stop setup
run: ## install what is needed, build, and run it all on loopback: prints the URL
	scripts/setup run
	scripts/run

stop: ## stop what `scripts/run --detach` has started
	scripts/run --stop

setup: ## install everything that building, testing and measuring need
	scripts/setup bench

# -------------------- test --------------------

.PHONY: test check format compile_commands.json
test: ## install what is needed, then all checks and tests, under ASan and UBSan
	scripts/setup test
	$(MAKE) --jobs=$(BUILD_JOBS) all
	$(MAKE) --jobs=1 check test-library test-readme test-unit test-handlers test-format test-fuzz test-integration test-model test-fault-short \
	    test-browser FUZZ_SECONDS=3

.PHONY: compose-test
compose-test: ## build the images and prove docker-compose.yml with a real Docker engine
	tests/compose/run

.PHONY: test-web-servers
test-web-servers: ## what lighttpd, Apache, HAProxy and Caddy can do in front of a worker (docs/web-servers.md)
	scripts/setup servers
	$(MAKE) --jobs=$(BUILD_JOBS) FLAVOUR=release build/release/midstream
	tests/web-servers/run

check: $(BUILD)/midstream ## formatting, layering, lint, manual
	scripts/check
	scripts/check-manual $<

# For editors and clang's tools: what the release flavour is compiled with.
compile_commands.json: ## write it, for editors and clang tools
	scripts/compile-commands $(CC) $(CPPFLAGS) $(CFLAGS) >$@

format: ## format all C files
	clang-format -i $$(git ls-files '*.c' '*.h')

# -------------------- measure --------------------

LOAD_OBJECTS := $(call objects,$(wildcard tests/bench/load/*.c))

$(BUILD)/tests/streams: $(LOAD_OBJECTS) $(call objects,$(wildcard app/base/*.c))
	$(Q)mkdir -p $(@D)
	$(Q)echo '  LINK    $@'
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

.PHONY: bench
bench: ## measure requests, streams and memory; a table, and build/bench/latest.json
	scripts/setup bench
	$(MAKE) --jobs=$(BUILD_JOBS) FLAVOUR=release build/release/midstream build/release/tests/streams
	$(MAKE) --jobs=$(BUILD_JOBS) FLAVOUR=release build/release/tests/task-app
	tests/bench/run $(BENCH_ARGS)
	tests/bench/tasks

# -------------------- install --------------------

PREFIX  ?= /usr/local
DESTDIR ?=

LIBDIR  ?= $(PREFIX)/lib
SHARE = $(DESTDIR)$(PREFIX)/share

# What an application needs: the library, and what builds and runs it. The demonstration, which has no passwords, is another
# target.
.PHONY: install install-demonstration
install: $(BUILD)/libmidstream.a $(BUILD)/libmidstream-test.a ## install libraries, headers, manual and midstream-run under DESTDIR/PREFIX
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/include app/include/midstream.h
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/include/midstream app/include/midstream/*.h
	install -D -m 644 -t $(DESTDIR)$(LIBDIR) $(BUILD)/libmidstream.a $(BUILD)/libmidstream-test.a
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(PREFIX)/bin
	for name in midstream midstream-test; do \
	    sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@VERSION@|$(VERSION)|' -e "s|@NAME@|$$name|" \
	        app/midstream.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/$$name.pc; \
	done
	install -D -m 644 -t $(SHARE)/man/man1 docs/midstream-run.1
	install -D -m 644 -t $(SHARE)/man/man5 docs/midstream-settings.5
	install -D -m 644 -t $(SHARE)/man/man8 docs/midstream.8
	install -D -m 644 -t $(SHARE)/man/man3 docs/midstream.h.3
	install -D -m 644 -t $(SHARE)/midstream/nginx nginx/*
	install -D -m 644 -t $(SHARE)/midstream/systemd docs/systemd/*
	install -D -m 644 -t $(SHARE)/midstream/scripts scripts/redis.conf
	install -D -m 755 -t $(SHARE)/midstream/scripts scripts/run
	install -D -m 644 -t $(SHARE)/midstream/scripts/lib $(addprefix scripts/lib/,common.sh nginx.sh owner.sh port.sh process.sh servers.sh)
	printf '#!/bin/sh\nRUN_NAME=midstream-run exec "%s" "$$@"\n' '$(PREFIX)/share/midstream/scripts/run' \
	    >$(DESTDIR)$(PREFIX)/bin/midstream-run
	chmod 755 $(DESTDIR)$(PREFIX)/bin/midstream-run

install-demonstration: $(BUILD)/midstream ## install the demonstration as midstream-demonstration
	install -D -m 755 $(BUILD)/midstream $(DESTDIR)$(PREFIX)/bin/midstream-demonstration

.PHONY: deb test-deb
# There is no address for mail yet, hence the tags that are not looked at.
deb: ## build Debian packages of the committed tree in build/deb, and look at them with lintian
	scripts/setup deb
	rm -rf build/deb && mkdir -p build/deb/source
	git archive HEAD | tar -x -C build/deb/source
	cd build/deb/source && dpkg-buildpackage --build=binary --no-sign
	lintian --fail-on error,warning --suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog build/deb/*.changes

test-deb: ## build and install the packages in fresh systems of both releases (needs root)
	tests/deb/run bookworm trixie

# The library is what README says: an application compiles against the installed header alone.
.PHONY: test-library
test-library: ## install the library, and build and run README's application and examples/ against it
	tests/library/run

.PHONY: test-readme
test-readme: $(BUILD)/midstream ## run the console blocks of README.md
	tests/readme/run

.PHONY: clean
clean: ## remove what was built
	rm -rf build

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | sort | \
	    while IFS='	' read -r target does; do printf '  make %-17s %s\n' "$$target" "$$does"; done

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
