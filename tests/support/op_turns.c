// SPDX-License-Identifier: MIT
//
// What dispatches tell of their loops, against the modules: drivers end loops of too many turns,
// and only what was told keeps a plan from such a device.
#include "op_data.h"

#include "graph/program.h"
#include "vk/modules.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

// Loops of a module that a compiler isn't told to unroll.
static int loops_of(const struct vka_module *m)
{
    enum { HEADER = 5, LOOP_MERGE = 246, CONTROL = 3, UNROLL = 1 };
    int loops = 0;
    for (size_t i = HEADER; i < m->count && m->words[i] >> 16 > 0; i += m->words[i] >> 16) {
        if ((m->words[i] & 0xffff) == LOOP_MERGE && !(m->words[i + CONTROL] & UNROLL))
            loops++;
    }
    return loops;
}

void op_check_turns(const struct vka_program *p)
{
    for (size_t i = 0; i < p->dispatch_count; i++) {
        const struct vka_dispatch *d = &p->dispatches[i];
        const struct vka_module *module = vka_module_find(d->shader);
        assert_non_null(module);
        assert_true(d->turns >= 1);
        if (!d->along && loops_of(module) > 0)
            fail_msg("%s has %d loops, of which its launch tells nothing", d->shader,
                     loops_of(module));
    }
}
