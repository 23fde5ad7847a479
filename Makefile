# Midstream. `make help` lists the targets; README.md says which two you need.
#
# A flavour has a build directory of its own: release (hardened, optimised), asan (ASan and UBSan, the default of the
# tests), tsan, and debug (for valgrind and gdb).

FLAVOUR ?= release
CC      := gcc
BUILD   := build/$(FLAVOUR)
VERSION := 0.1.0

PACKAGES := hiredis libsodium libuv jansson
CPPFLAGS += -D_GNU_SOURCE -Iapp/include -Iapp -I$(BUILD)/generated -DMIDSTREAM_VERSION='"$(VERSION)"' \
            $(shell pkg-config --cflags $(PACKAGES))
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 \
            -Wundef -Wcast-qual -Wwrite-strings -Werror
CFLAGS   += -std=c17 -g -fvisibility=hidden -fno-omit-frame-pointer $(WARNINGS)
# libfcgi comes as an archive, so that its calls of the OS_* functions meet ours (docs/adr/0002-libfcgi-on-fibers.md).
LDLIBS   := -l:libfcgi.a $(shell pkg-config --libs $(PACKAGES)) -lpthread

CFLAGS_release  := -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE
LDFLAGS_release := -pie -Wl,-z,relro,-z,now
CFLAGS_asan     := -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined
LDFLAGS_asan    := -fsanitize=address,undefined
CFLAGS_tsan     := -O1 -fsanitize=thread
LDFLAGS_tsan    := -fsanitize=thread
CFLAGS_debug    := -O0
CFLAGS  += $(CFLAGS_$(FLAVOUR))
LDFLAGS += $(LDFLAGS_$(FLAVOUR))

LIBRARY_SOURCES := $(wildcard app/base/*.c app/fiber/*.c app/fcgi/*.c app/http/*.c app/redis/*.c app/session/*.c \
                   app/stream/*.c app/runtime/*.c)
PROGRAM_SOURCES := app/main.c $(wildcard app/routes/*.c)
LUA_SOURCES     := $(wildcard app/*/*.lua)
UNIT_SOURCES    := $(wildcard tests/unit/*/*.c)

objects = $(patsubst %.c,$(BUILD)/%.o,$(1))
LIBRARY_OBJECTS := $(call objects,$(LIBRARY_SOURCES))
LUA_HEADERS     := $(patsubst app/%.lua,$(BUILD)/generated/%.lua.h,$(LUA_SOURCES))

.PHONY: all
all: $(BUILD)/midstream $(BUILD)/libmidstream.a ## build the program and the library (FLAVOUR=release|asan|tsan|debug)

$(BUILD)/midstream: $(call objects,$(PROGRAM_SOURCES)) $(LIBRARY_OBJECTS)
	@echo '  LINK    $@'
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# One relocatable object in which only the mid_* names, and the OS_* names that libfcgi calls, are still visible.
$(BUILD)/libmidstream.a: $(LIBRARY_OBJECTS)
	@echo '  LIBRARY $@'
	@$(LD) -r -o $(BUILD)/midstream.whole.o $^
	@objcopy --localize-hidden $(BUILD)/midstream.whole.o
	@rm -f $@
	@$(AR) rcs $@ $(BUILD)/midstream.whole.o

$(BUILD)/%.o: %.c Makefile | $(LUA_HEADERS)
	@mkdir -p $(@D)
	@echo '  CC      $<'
	@$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# A script becomes the inside of a C array: its bytes, and a NUL.
$(BUILD)/generated/%.lua.h: app/%.lua
	@mkdir -p $(@D)
	od -An -v -tx1 $< | sed -e 's/ \(..\)/0x\1,/g' -e '$$a 0' > $@

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | sort | while IFS='	' read -r t d; do printf '  make %-16s %s\n' "$$t" "$$d"; done
