// Package builtin runs containers with nothing but the Linux kernel: namespaces,
// pivot_root, seccomp and, where the machine lets us, control groups and
// overlayfs. It works as root and as an ordinary user.
//
// Each task has a shim, this same binary started again. The shim holds the task's
// network and is the parent of its containers, so they outlive the sandbox; a
// restarted sandbox finds it through a socket in the task's directory. When the
// shim ends, the kernel ends everything in its process namespace, so nothing can
// be left over.
//
// A container has one user of its own and no capability at all. It must not know
// load balancers, addresses or where images come from.
package builtin
