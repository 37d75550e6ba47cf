// SPDX-License-Identifier: MIT
//
// A C++ program that has nothing but the public header: softmax attention whose causal mask leaves
// the first query one key only, so that its output is that key's value.
#include <cstdio>
#include <memory>
#include <vector>
#include <vkattn/vkattn.h>

namespace
{
template <auto destroy> struct deleter {
    template <class T> void operator()(T *p) const
    {
        destroy(p);
    }
};
using context = std::unique_ptr<vka_context, deleter<vka_context_destroy>>;
using device = std::unique_ptr<vka_device, deleter<vka_device_close>>;
using graph = std::unique_ptr<vka_graph, deleter<vka_graph_destroy>>;
using plan = std::unique_ptr<vka_plan, deleter<vka_plan_destroy>>;

int fail()
{
    std::fprintf(stderr, "%s\n", vka_last_error());
    return 1;
}
} // namespace

int main(int argc, char **argv)
{
    vka_context *c = nullptr;
    vka_device *d = nullptr;
    vka_graph *g = nullptr;
    vka_plan *p = nullptr;
    if (vka_context_create(nullptr, &c))
        return fail();
    context owned_context(c);
    if (vka_device_open(c, argc > 1 ? argv[1] : "cpu", &d))
        return fail();
    device owned_device(d);
    if (vka_graph_create(c, nullptr, &g))
        return fail();
    graph owned_graph(g);

    const vka_shape shape = {4, {1, 1, 2, 2}};
    const vka_attr attrs[] = {vka_attr_bool("causal", true), {}};
    const vka_tensor x = vka_input(g, "x", VKA_F32, &shape);
    const vka_named inputs[] = {{"q", x}, {"k", x}, {"v", x}, {}};
    vka_output(g, "y", vka_out(g, vka_block(g, "sdpa", "attend", attrs, inputs), "y"));
    if (vka_plan_create(d, g, nullptr, &p))
        return fail();
    plan owned_plan(p);

    std::vector<float> in = {1, 2, 3, 4}, out(4);
    const vka_io from[] = {{"x", VKA_F32, in.data(), in.size() * sizeof(float)}, {}};
    const vka_io to[] = {{"y", VKA_F32, out.data(), out.size() * sizeof(float)}, {}};
    if (vka_plan_run(p, from, to))
        return fail();
    std::printf("C++ on %s\n", vka_device_of(d)->name);
    return out[0] == 1 && out[1] == 2 && out[2] > 2 && out[3] > 3 ? 0 : 1;
}
