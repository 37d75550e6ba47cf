// SPDX-License-Identifier: MIT
//
// The Vulkan instance of a context and its physical devices.
#ifndef VKA_VK_INSTANCE_H
#define VKA_VK_INSTANCE_H

#include "vk/loader.h"
#include "vk/vk.h"

#include <stdatomic.h>

// What is asked of an instance. The table belongs to the context, so that another instance can live
// beside it.
#define VKA_INSTANCE_CALLS(X)                                                                      \
    X(vkDestroyInstance)                                                                           \
    X(vkEnumeratePhysicalDevices)                                                                  \
    X(vkGetPhysicalDeviceProperties)                                                               \
    X(vkGetPhysicalDeviceProperties2)                                                              \
    X(vkGetPhysicalDeviceFeatures2)                                                                \
    X(vkGetPhysicalDeviceMemoryProperties)                                                         \
    X(vkGetPhysicalDeviceQueueFamilyProperties)                                                    \
    X(vkEnumerateDeviceExtensionProperties)                                                        \
    X(vkCreateDevice)                                                                              \
    X(vkGetDeviceProcAddr)

struct vka_instance_calls {
#define VKA_MEMBER(name) PFN_##name name;
    VKA_INSTANCE_CALLS(VKA_MEMBER)
#undef VKA_MEMBER
    PFN_vkCreateDebugUtilsMessengerEXT vkCreateDebugUtilsMessengerEXT; // with validation
    PFN_vkDestroyDebugUtilsMessengerEXT vkDestroyDebugUtilsMessengerEXT;
#ifdef VK_KHR_cooperative_matrix // NULL where no driver has them
    PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR
        vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR;
#endif
};

// The features that are used where they exist; `base` heads the chain.
struct vka_features {
    VkPhysicalDeviceFeatures2 base;
    VkPhysicalDevice16BitStorageFeatures storage16;
    VkPhysicalDeviceShaderFloat16Int8FeaturesKHR float16;
#ifdef VK_KHR_cooperative_matrix
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrix;
    VkPhysicalDeviceVulkanMemoryModelFeaturesKHR memory_model;
    VkPhysicalDeviceSubgroupSizeControlFeatures subgroups;
#endif
#ifdef VK_NV_cooperative_matrix2
    VkPhysicalDeviceCooperativeMatrix2FeaturesNV matrix2;
    VkPhysicalDeviceMaintenance4Features maintenance4; // its modules are of SPIR-V 1.6
#endif
};

enum { VKA_MAX_EXTENSIONS = 4 };

struct vka_physical {
    VkPhysicalDevice handle;
    vka_device_info info; // strings below
    char name[VK_MAX_PHYSICAL_DEVICE_NAME_SIZE];
    char driver[VK_MAX_DRIVER_NAME_SIZE + VK_MAX_DRIVER_INFO_SIZE + 2];
    uint32_t driver_version;
    uint8_t cache_uuid[VK_UUID_SIZE]; // of what the driver compiles
    bool translated;                  // a driver on top of another graphics API
    struct vka_limits limits;
    VkPhysicalDeviceMemoryProperties memory;
    bool unified; // one memory for host and device
    uint32_t max_allocations;
    uint64_t non_coherent_atom;
    uint32_t queue_family;
    uint32_t timestamp_bits; // 0: the queue can't
    double timestamp_ns;     // a tick
    bool float16_extension;  // Vulkan 1.1 has it as an extension only
    bool matrix_extension, matrix2_extension;
    bool sized_subgroups;                       // a compute shader's can be asked for
    const char *extensions[VKA_MAX_EXTENSIONS]; // to enable
    uint32_t extension_count;
};

struct vka_vk {
    vka_context *context;
    PFN_vkGetInstanceProcAddr get;
    VkInstance instance;
    struct vka_instance_calls call;
    VkDebugUtilsMessengerEXT messenger;
    bool validating;
    bool minimum; // VKATTN_LIMITS=min
    bool as_gpu;  // VKATTN_LIMITS=gpu
    atomic_int messages;
    char words[512]; // the loader's first error
    char reason[768];
    struct vka_physical *devices;
    int count;
};

const char *vka_vk_result_name(VkResult result);

// What went wrong, with the loader's own words behind it where it had some.
void vka_vk_set_reason(struct vka_vk *vk, const char *what);

// Fills vk->call of vk->instance by vk->get. False: it lacks functions of Vulkan 1.1.
bool vka_vk_load(struct vka_vk *vk);

// VKATTN_LIMITS
void vka_vk_read_limits_switch(struct vka_vk *vk);

// Fills vk->devices. Errors are those of host memory; the others become the reason.
vka_result vka_vk_list(struct vka_vk *vk);

// Fills `p` from `p->handle`. VKA_ERROR_UNSUPPORTED: of no use here, `why` tells the reason, and no
// text is set. VKA_ERROR_OUT_OF_MEMORY.
vka_result vka_physical_read(const struct vka_vk *vk, struct vka_physical *p, const char **why);

// The cooperative matrices that the library's shaders make use of: p->limits.matrix.
void vka_matrix_read(const struct vka_vk *vk, struct vka_physical *p);

// Which plans of 16 bits the device's limits allow.
void vka_physical_tell_halves(struct vka_physical *p);

// A chain of those features that the device knows, all off.
void vka_features_chain(const struct vka_physical *p, struct vka_features *f);

#endif
