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
static int loops_of(vka_context *context, const struct vka_module *m)
{
    enum { HEADER = 5, LOOP_MERGE = 246, CONTROL = 3, UNROLL = 1 };
    int loops = 0;
    uint32_t *words;
    assert_int_equal(vka_module_unpack(context, m, &words), VKA_OK);
    for (size_t i = HEADER; i < m->words && words[i] >> 16 > 0; i += words[i] >> 16) {
        if ((words[i] & 0xffff) == LOOP_MERGE && !(words[i + CONTROL] & UNROLL))
            loops++;
    }
    vka_free(context, words);
    return loops;
}

void op_check_turns(vka_context *context, const struct vka_program *p)
{
    for (size_t i = 0; i < p->dispatch_count; i++) {
        const struct vka_dispatch *d = &p->dispatches[i];
        const struct vka_module *module = vka_module_for(d->shader, p->real);
        assert_non_null(module);
        assert_true(d->turns >= 1);
        int loops = d->along ? 0 : loops_of(context, module);
        if (loops > 0)
            fail_msg("%s has %d loops, of which its launch tells nothing", d->shader, loops);
    }
}
