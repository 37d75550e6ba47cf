// SPDX-License-Identifier: MIT
//
// vkattn blocks: the table of blocks and operations, and all of one block.
#include "blocks/names.h"
#include "cli/cli.h"
#include "ops/op.h"

#include <string.h>

static void list_all(void)
{
    printf("Attention blocks\n");
    for (int i = 0; i < vka_block_count(); i++) {
        const vka_block_info *info = vka_block_get(i);
        if (*info->paper)
            printf("  %-26s %s\n", info->id, info->summary);
    }
    printf("\nPlain blocks of a network\n");
    for (int i = 0; i < vka_block_count(); i++) {
        const vka_block_info *info = vka_block_get(i);
        if (!*info->paper)
            printf("  %-26s %s\n", info->id, info->summary);
    }
    printf("\nOperations beneath\n");
    const char *name, *summary;
    for (int i = 0; (name = vka_op_get(i, &summary)); i++)
        printf("  %-26s %s\n", name, summary);
}

static void print_ports(const char *title, const vka_port_info *port)
{
    if (!port->name)
        return;
    printf("\n%s\n", title);
    for (; port->name; port++) {
        printf("  %-28s %-26s %-4s", port->name, port->shape, port->dtype);
        if (*port->when)
            printf("  (%s)", port->when);
        if (*port->help)
            printf("  %s", port->help);
        printf("\n");
    }
}

static void print_weights(const vka_weight_info *w)
{
    if (w->name)
        printf("\nWeights, and their official names (`weights_as official`)\n");
    for (; w->name; w++) {
        printf("  %-28s %-26s %-4s", w->name, w->shape, w->dtype);
        if (*w->when)
            printf("  (%s)", w->when);
        printf("  %s\n", *w->official ? w->official : "-");
    }
}

static void print_block(const vka_block_info *info)
{
    printf("%s: %s\n", info->id, info->summary);
    if (*info->paper)
        printf("%s\n", info->paper);
    print_ports("Inputs", info->inputs);
    if (info->attrs->name)
        printf("\nAttributes\n");
    for (const vka_attr_info *a = info->attrs; a->name; a++) {
        printf("  %-22s %-16s %-18s %s%s%s\n", a->name, a->type,
               a->fallback ? a->fallback : "required", a->range, *a->range ? "  " : "", a->help);
    }
    print_weights(info->weights);
    print_ports("Outputs", info->outputs);
}

static void json_ports(const char *title, const vka_port_info *port)
{
    printf(", \"%s\": [", title);
    for (const char *comma = ""; port->name; port++, comma = ", ") {
        printf("%s{\"name\": ", comma);
        cli_json_string(port->name);
        printf(", \"shape\": ");
        cli_json_string(port->shape);
        printf(", \"dtype\": ");
        cli_json_string(port->dtype);
        printf(", \"when\": ");
        cli_json_string(port->when);
        printf(", \"help\": ");
        cli_json_string(port->help);
        printf("}");
    }
    printf("]");
}

// "official" is an array of names, each with the layout that it has.
static void json_official(const vka_weight_info *w)
{
    static const char *const layouts[] = {"plain", "transposed", "normed", "spectral"};
    const char *list = w->official, *comma = "";
    struct vka_official o;
    printf(", \"official\": [");
    for (; vka_official_next(&list, &o); comma = ", ")
        printf("%s{\"name\": \"%.*s\", \"layout\": \"%s\"}", comma, o.length, o.pattern,
               layouts[o.form]);
    printf("]}");
}

static void json_weights(const vka_weight_info *w)
{
    printf(", \"weights\": [");
    for (const char *comma = ""; w->name; w++, comma = ", ") {
        printf("%s{\"name\": ", comma);
        cli_json_string(w->name);
        printf(", \"shape\": ");
        cli_json_string(w->shape);
        printf(", \"dtype\": ");
        cli_json_string(w->dtype);
        printf(", \"when\": ");
        cli_json_string(w->when);
        json_official(w);
    }
    printf("]");
}

static void json_block(const vka_block_info *info)
{
    printf("{\"id\": \"%s\", \"summary\": ", info->id);
    cli_json_string(info->summary);
    printf(", \"paper\": ");
    cli_json_string(info->paper);
    printf(", \"attributes\": [");
    for (const vka_attr_info *a = info->attrs; a->name; a++) {
        printf("%s{\"name\": \"%s\", \"type\": \"%s\", \"default\": %s, \"range\": ",
               a == info->attrs ? "" : ", ", a->name, a->type, a->fallback ? a->fallback : "null");
        cli_json_string(a->range);
        printf(", \"required\": %s, \"help\": ", a->fallback ? "false" : "true");
        cli_json_string(a->help);
        printf("}");
    }
    printf("]");
    json_ports("inputs", info->inputs);
    json_weights(info->weights);
    json_ports("outputs", info->outputs);
    printf(", \"example\": %s}", info->example);
}

static void json_all(void)
{
    printf("[");
    for (int i = 0; i < vka_block_count(); i++) {
        printf(i ? ",\n" : "\n");
        json_block(vka_block_get(i));
    }
    printf("\n]\n");
}

// --- the README's tables ---

static void markdown_names(const vka_port_info *port)
{
    for (const char *comma = ""; port->name; port++, comma = ", ")
        printf("%s`%s`", comma, port->name);
}

static void markdown_blocks(void)
{
    printf("| block | what it computes | inputs | outputs | paper |\n|---|---|---|---|---|\n");
    for (int i = 0; i < vka_block_count(); i++) {
        const vka_block_info *info = vka_block_get(i);
        if (!*info->paper)
            continue;
        printf("| `%s` | %s | ", info->id, info->summary);
        markdown_names(info->inputs);
        printf(" | ");
        markdown_names(info->outputs);
        printf(" | %s |\n", info->paper);
    }
    printf("\n| plain block | what it computes |\n|---|---|\n");
    for (int i = 0; i < vka_block_count(); i++) {
        const vka_block_info *info = vka_block_get(i);
        if (!*info->paper)
            printf("| `%s` | %s |\n", info->id, info->summary);
    }
}

static void markdown_ops(void)
{
    const struct vka_op *op;
    printf("\n| operation | what it does | CPU | GPU variants | definition in others |\n"
           "|---|---|---|---|---|\n");
    for (int i = 0; (op = vka_op_at(i)); i++) {
        printf("| `%s` | %s | %s | ", op->name, op->summary, op->cpu ? "yes" : "");
        for (const struct vka_variant *v = op->variants; v && v->name; v++)
            printf("%s%s", v == op->variants ? "" : ", ", v->name);
        printf(" | %s |\n", op->expand ? "yes" : "");
    }
}

static int run(int argc, char **argv)
{
    static const struct option table[] = {{"json", no_argument, NULL, 'j'},
                                          {"markdown", no_argument, NULL, 'm'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    struct cli_options options = {&cli_blocks, "h", "", table, {0}};
    bool json = false, markdown = false;
    for (int c; (c = cli_option(&options, argc, argv)) != -1;) {
        if (c == 'h')
            return cli_help(&cli_blocks);
        if (c == '?')
            return cli_usage_error(&cli_blocks, "the call is wrong");
        json |= c == 'j';
        markdown |= c == 'm';
    }
    if (markdown && (json || optind < argc))
        return cli_usage_error(&cli_blocks, "--markdown goes without %s",
                               json ? "--json" : argv[optind]);
    if (markdown) {
        markdown_blocks();
        markdown_ops();
        return EXIT_DONE;
    }
    if (optind == argc) {
        if (json)
            json_all();
        else
            list_all();
        return EXIT_DONE;
    }
    if (argc - optind > 1)
        return cli_usage_error(&cli_blocks, "'%s' is one too many", argv[optind + 1]);
    const vka_block_info *info = vka_block_find(argv[optind]);
    if (!info)
        return cli_usage_error(&cli_blocks, "there is no block '%s'; `vkattn blocks` lists them",
                               argv[optind]);
    if (json) {
        json_block(info);
        printf("\n");
    } else {
        print_block(info);
    }
    return EXIT_DONE;
}

const struct cli_command cli_blocks = {
    "blocks", "[ID] [--json] [--markdown]",
    "lists the blocks and operations, or tells all of one block; --markdown: the README's tables",
    "--json: {\"id\", \"summary\", \"paper\", \"attributes\", \"inputs\", \"weights\", "
    "\"outputs\",\n"
    "\"example\"} of the block; of all blocks, in an array, where none is named\n",
    run};
