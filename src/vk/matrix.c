// SPDX-License-Identifier: MIT
//
// Which cooperative matrices of a device the library's shaders use: f16 by f16 to f32, made by a
// subgroup. None where the shaders weren't built (shaders/cmake/modules.cmake).
#include "vk/instance.h"
#include "vk/modules.h"

#ifdef VK_KHR_cooperative_matrix

// Fragments of 16 x 16 need the fewest loads for what they compute; larger ones come in too few
// devices to be tuned for.
enum { BEST_SIDE = 16, MOST_SIDE = 32, INTEL = 0x8086 };

static bool fits_tiles(uint32_t size)
{
    return size >= 8 && size <= MOST_SIDE && (size & (size - 1)) == 0;
}

static bool usable(const VkCooperativeMatrixPropertiesKHR *c)
{
    return c->AType == VK_COMPONENT_TYPE_FLOAT16_KHR && c->BType == VK_COMPONENT_TYPE_FLOAT16_KHR &&
           c->CType == VK_COMPONENT_TYPE_FLOAT32_KHR &&
           c->ResultType == VK_COMPONENT_TYPE_FLOAT32_KHR && c->scope == VK_SCOPE_SUBGROUP_KHR &&
           !c->saturatingAccumulation && fits_tiles(c->MSize) && fits_tiles(c->NSize) &&
           fits_tiles(c->KSize);
}

static uint32_t side(uint32_t size)
{
    return size > BEST_SIDE ? 2 * BEST_SIDE - size : size;
}

static uint32_t worth(const struct vka_matrix_shape *s)
{
    return s->m == 0 ? 0 : side(s->m) * side(s->n) * side(s->k);
}

static void choose(struct vka_matrix_shape *best, const VkCooperativeMatrixPropertiesKHR *list,
                   uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct vka_matrix_shape s = {list[i].MSize, list[i].NSize, list[i].KSize, 0};
        if (usable(&list[i]) && worth(&s) > worth(best))
            *best = s;
    }
}

static void read_shapes(const struct vka_vk *vk, struct vka_physical *p)
{
    uint32_t count = 0;
    PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR get =
        vk->call.vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR;
    if (!get || get(p->handle, &count, NULL) < 0 || count == 0)
        return;
    VkCooperativeMatrixPropertiesKHR *list = vka_calloc(vk->context, count, sizeof *list);
    for (uint32_t i = 0; list && i < count; i++)
        list[i].sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR;
    if (list && get(p->handle, &count, list) >= 0)
        choose(&p->limits.matrix, list, count);
    vka_free(vk->context, list);
}

// Intel's drivers report a size of subgroups that isn't the one their matrices have.
static void read_subgroups(const struct vka_vk *vk, struct vka_physical *p)
{
    VkPhysicalDeviceSubgroupSizeControlProperties sizes = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES};
    VkPhysicalDeviceProperties2 all = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                       .pNext = &sizes};
    vk->call.vkGetPhysicalDeviceProperties2(p->handle, &all);
    p->sized_subgroups =
        p->sized_subgroups && (sizes.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0;
    bool least = p->sized_subgroups && all.properties.vendorID == INTEL;
    p->limits.matrix.subgroup = least ? sizes.minSubgroupSize : p->limits.subgroup_size;
}

void vka_matrix_read(const struct vka_vk *vk, struct vka_physical *p)
{
    struct vka_limits *l = &p->limits;
    if (l->cooperative_matrix && l->subgroup_arithmetic && l->f16_storage &&
        vka_module_find("matmul_matrix_f16"))
        read_shapes(vk, p);
    l->matrix2 = l->matrix2 && l->matrix.m > 0 && vka_module_find("attention_matrix2_f16");
    if (l->matrix.m > 0)
        read_subgroups(vk, p);
    else
        p->sized_subgroups = false;
}

#else

void vka_matrix_read(const struct vka_vk *vk, struct vka_physical *p)
{
    (void)vk;
    p->limits.matrix = (struct vka_matrix_shape){0};
    p->limits.matrix2 = false;
}

#endif
