// SPDX-License-Identifier: MIT
//
// What a model's names refer to, and an order of its nodes in which each comes after those that it
// hangs on.
#include "io/model.h"

#include "util/sort.h"

#include <stdio.h>
#include <string.h>

// --- names ---

static int by_name(const void *user, const void *a, const void *b)
{
    (void)user;
    return strcmp(((const struct vka_model_name *)a)->name,
                  ((const struct vka_model_name *)b)->name);
}

vka_result vka_model_name_all(vka_model *m)
{
    char quoted[VKA_JSON_QUOTED];
    m->names = vka_alloc(m->context, m->input_count + m->node_count, sizeof *m->names);
    if (!m->names)
        return vka_out_of_memory(m->context);
    for (size_t i = 0; i < m->input_count; i++)
        m->names[m->name_count++] = (struct vka_model_name){m->inputs[i].name, {(int)i, -1, NULL}};
    for (size_t i = 0; i < m->node_count; i++)
        m->names[m->name_count++] = (struct vka_model_name){m->nodes[i].name, {-1, (int)i, "y"}};
    vka_sort(m->names, m->name_count, sizeof *m->names, by_name, NULL);
    for (size_t i = 1; i < m->name_count; i++) {
        if (by_name(NULL, &m->names[i - 1], &m->names[i]) == 0)
            return vka_error(m->context, VKA_ERROR_FORMAT,
                             "%s: the name %s stands twice among inputs and nodes", m->path,
                             vka_json_quote(m->names[i].name, quoted));
    }
    return VKA_OK;
}

// The input or node whose name is the first `size` bytes of `text`.
static const struct vka_model_name *find(const vka_model *m, const char *text, size_t size)
{
    size_t low = 0, high = m->name_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *name = m->names[middle].name;
        int order = strncmp(name, text, size);
        if (order == 0 && !name[size])
            return &m->names[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool vka_model_resolve(const vka_model *m, const char *text, struct vka_model_reference *out)
{
    size_t size = strlen(text);
    if (size > VKA_MODEL_REFERENCE)
        return false;
    const struct vka_model_name *found = find(m, text, size);
    if (found) {
        *out = found->from;
        return true;
    }
    while (size-- > 0) {
        if (text[size] != '.' || !text[size + 1])
            continue;
        found = find(m, text, size);
        if (!found || found->from.input >= 0)
            continue;
        *out = (struct vka_model_reference){-1, found->from.node, text + size + 1};
        return true;
    }
    return false;
}

// --- the order ---

struct walk {
    const vka_model *m;
    unsigned char *state; // of each node
    int *stack;           // the nodes that are under way
    size_t *next;         // of each: the edge to be followed next
    size_t depth, done;
};

enum { UNTOUCHED, UNDER_WAY, DONE };

// "a" -> "b" -> "a", from where `node` stands on the stack.
static vka_result cycle(const struct walk *w, int node)
{
    char text[1024], quoted[VKA_JSON_QUOTED];
    struct vka_json_out out = {text, sizeof text, 0};
    size_t at = 0, listed = 0;
    while (w->stack[at] != node)
        at++;
    text[0] = '\0';
    for (; at < w->depth && listed < 6; at++, listed++) {
        const char *name = vka_json_quote(w->m->nodes[w->stack[at]].name, quoted);
        vka_json_put(&out, name, strlen(name));
        vka_json_put(&out, " <- ", 4);
    }
    if (at < w->depth)
        vka_json_put(&out, "... <- ", 7);
    return vka_error(w->m->context, VKA_ERROR_FORMAT, "%s: nodes that wait for each other: %s%s",
                     w->m->path, text, vka_json_quote(w->m->nodes[node].name, quoted));
}

static void push(struct walk *w, int node)
{
    w->state[node] = UNDER_WAY;
    w->next[w->depth] = 0;
    w->stack[w->depth++] = node;
}

// Puts a node behind all that it hangs on, without recursion.
static vka_result visit(struct walk *w, int *order, int start)
{
    push(w, start);
    while (w->depth > 0) {
        int node = w->stack[w->depth - 1];
        const struct vka_model_node *n = &w->m->nodes[node];
        size_t edge = w->next[w->depth - 1]++;
        if (edge == n->edge_count) {
            w->state[node] = DONE;
            order[w->done++] = node;
            w->depth--;
            continue;
        }
        const struct vka_model_reference *from = &n->edges[edge].from;
        if (from->input >= 0 || w->state[from->node] == DONE)
            continue;
        if (w->state[from->node] == UNDER_WAY)
            return cycle(w, from->node);
        push(w, from->node);
    }
    return VKA_OK;
}

static vka_result order_nodes(vka_model *m)
{
    struct walk w = {.m = m};
    vka_result result = VKA_OK;
    m->order = vka_alloc(m->context, m->node_count, sizeof *m->order);
    w.state = vka_calloc(m->context, m->node_count, 1);
    w.stack = vka_alloc(m->context, m->node_count, sizeof *w.stack);
    w.next = vka_alloc(m->context, m->node_count, sizeof *w.next);
    if (!m->order || !w.state || !w.stack || !w.next)
        result = vka_out_of_memory(m->context);
    for (size_t i = 0; i < m->node_count && result == VKA_OK; i++) {
        if (w.state[i] == UNTOUCHED)
            result = visit(&w, m->order, (int)i);
    }
    vka_free(m->context, w.state);
    vka_free(m->context, w.stack);
    vka_free(m->context, w.next);
    return result;
}

static vka_result connect_node(vka_model *m, struct vka_model_node *node)
{
    char name[VKA_JSON_QUOTED], port[VKA_JSON_QUOTED], text[VKA_JSON_QUOTED];
    for (size_t i = 0; i < node->edge_count; i++) {
        struct vka_model_edge *edge = &node->edges[i];
        if (!vka_model_resolve(m, edge->text, &edge->from))
            return vka_error(m->context, VKA_ERROR_FORMAT,
                             "%s: node %s: its input %s is %s, which is neither an input of the "
                             "model nor a node nor a node's output",
                             m->path, vka_json_quote(node->name, name),
                             vka_json_quote(edge->port, port), vka_json_quote(edge->text, text));
    }
    return VKA_OK;
}

vka_result vka_model_connect(vka_model *m)
{
    char name[VKA_JSON_QUOTED], text[VKA_JSON_QUOTED];
    for (size_t i = 0; i < m->node_count; i++) {
        vka_result result = connect_node(m, &m->nodes[i]);
        if (result != VKA_OK)
            return result;
    }
    for (size_t i = 0; i < m->output_count; i++) {
        struct vka_model_output *output = &m->outputs[i];
        if (!vka_model_resolve(m, output->text, &output->from))
            return vka_error(m->context, VKA_ERROR_FORMAT,
                             "%s: output %s is %s, which is neither an input of the model nor a "
                             "node nor a node's output",
                             m->path, vka_json_quote(output->name, name),
                             vka_json_quote(output->text, text));
    }
    return order_nodes(m);
}
