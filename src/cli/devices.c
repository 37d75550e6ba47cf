// SPDX-License-Identifier: MIT
//
// vkattn devices: what there is to compute on.
#include "cli/cli.h"
#include "vk/modules.h"

static const char *type_word(vka_device_type type)
{
    static const char *const words[] = {"cpu",     "discrete", "integrated",
                                        "virtual", "software", "other"};
    return words[type];
}

static void uuid_text(const vka_device_info *info, char text[37])
{
    int at = 0;
    for (int i = 0; i < 16; i++)
        at += snprintf(text + at, 37 - (size_t)at,
                       i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", info->uuid[i]);
}

static const char *matrix_words(const vka_device_info *info)
{
    if (!info->cooperative_matrix)
        return "";
    return vka_module_find("matmul_matrix_f16") ? ", cooperative matrix"
                                                : ", cooperative matrix (not in this build)";
}

static void print_row(const vka_device_info *info)
{
    char index[16] = "-", uuid[37] = "-", api[32] = "-", subgroup[32] = "";
    if (info->type != VKA_DEVICE_CPU) {
        snprintf(index, sizeof index, "%d", info->index);
        snprintf(api, sizeof api, "%u.%u.%u", info->api_version >> 22 & 0x7f,
                 info->api_version >> 12 & 0x3ff, info->api_version & 0xfff);
        snprintf(subgroup, sizeof subgroup, "subgroup %u", info->subgroup);
        uuid_text(info, uuid);
    }
    printf("%-5s %-45s %-10s %-32s %-10s %7.1f GiB  %-37s %s%s%s%s\n", index, info->name,
           type_word(info->type), info->driver, api, (double)info->memory / (1 << 30), uuid,
           subgroup, info->f16 ? ", f16" : "", info->bf16 ? ", bf16" : "", matrix_words(info));
}

static void print_json(const vka_device_info *info, bool first)
{
    char uuid[37];
    uuid_text(info, uuid);
    printf("%s\n  {\"index\": ", first ? "" : ",");
    if (info->type == VKA_DEVICE_CPU)
        printf("null");
    else
        printf("%d, \"vulkan_index\": %d", info->index, info->vulkan_index);
    printf(", \"name\": ");
    cli_json_string(info->name);
    printf(", \"type\": \"%s\", \"driver\": ", type_word(info->type));
    cli_json_string(info->driver);
    printf(
        ", \"api\": \"%u.%u.%u\", \"memory\": %llu, \"subgroup\": %u, \"f16\": %s, \"bf16\": %s, "
        "\"cooperative_matrix\": %s, \"uuid\": \"%s\"}",
        info->api_version >> 22 & 0x7f, info->api_version >> 12 & 0x3ff, info->api_version & 0xfff,
        (unsigned long long)info->memory, info->subgroup, info->f16 ? "true" : "false",
        info->bf16 ? "true" : "false", info->cooperative_matrix ? "true" : "false", uuid);
}

static int list_devices(vka_context *context, bool json)
{
    if (json)
        printf("[");
    else
        printf("%-5s %-45s %-10s %-32s %-10s %11s  %-37s %s\n", "index", "name", "type", "driver",
               "Vulkan", "memory", "uuid", "offers");
    for (int i = 0; i < vka_device_count(context); i++) {
        vka_device_info info;
        if (vka_device_get_info(context, i, &info) != VKA_OK)
            return cli_failed(VKA_ERROR_NOT_FOUND);
        if (json)
            print_json(&info, i == 0);
        else
            print_row(&info);
    }
    if (json)
        printf("\n]\n");
    return EXIT_DONE;
}

static int run(int argc, char **argv)
{
    static const struct option table[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    struct cli_options options = {&cli_devices, "h", "", table, {0}};
    bool json = false;
    for (int c; (c = cli_option(&options, argc, argv)) != -1;) {
        if (c == 'h')
            return cli_help(&cli_devices);
        if (c != 'j')
            return cli_usage_error(&cli_devices, "the call is wrong");
        json = true;
    }
    if (optind < argc)
        return cli_usage_error(&cli_devices, "'%s' is one too many", argv[optind]);
    vka_context *context = cli_context(true, NULL);
    if (!context)
        return EXIT_WRONG;
    int code = list_devices(context, json);
    vka_context_destroy(context);
    return code;
}

const struct cli_command cli_devices = {
    "devices", "[--json]", "lists the devices",
    "--json: [{\"index\": null for cpu, \"vulkan_index\": not for cpu, \"name\", \"type\", "
    "\"driver\",\n"
    "\"api\", \"memory\": bytes, \"subgroup\", \"f16\", \"bf16\", \"cooperative_matrix\", "
    "\"uuid\"}, ..]\n",
    run};
