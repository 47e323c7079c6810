package builtin

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Offsets into struct seccomp_data.
const (
	dataNumber = 0
	dataArch   = 4
	dataArg0   = 16
)

const (
	retAllow = 0x7fff0000
	retErrno = 0x00050000
	retKill  = 0x80000000
)

const newNamespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET |
	unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWTIME

// denied are calls that reach around the container or into rarely used corners
// of the kernel; no web application needs one.
func denied() []uint32 {
	return append([]uint32{
		unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_UNSHARE, unix.SYS_SETNS,
		unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT, unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK,
		unix.SYS_MOUNT_SETATTR, unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_BPF,
		unix.SYS_PERF_EVENT_OPEN, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_KCMP,
		unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
		unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME,
		unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_NAME_TO_HANDLE_AT,
		unix.SYS_USERFAULTFD, unix.SYS_QUOTACTL, unix.SYS_ACCT, unix.SYS_SYSLOG, unix.SYS_VHANGUP, unix.SYS_NFSSERVCTL,
		unix.SYS_LOOKUP_DCOOKIE, unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
		unix.SYS_FANOTIFY_INIT, unix.SYS_PTRACE, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME,
		unix.SYS_MOVE_PAGES, unix.SYS_MIGRATE_PAGES, unix.SYS_MBIND, unix.SYS_SET_MEMPOLICY,
	}, deniedHere...)
}

// pretended are calls that succeed without doing anything. A container has one
// user; images that start as root and then change owner or user work all the
// same, and without any capability.
func pretended() []uint32 {
	return append([]uint32{
		unix.SYS_SETUID, unix.SYS_SETGID, unix.SYS_SETREUID, unix.SYS_SETREGID, unix.SYS_SETRESUID, unix.SYS_SETRESGID,
		unix.SYS_SETGROUPS, unix.SYS_SETFSUID, unix.SYS_SETFSGID, unix.SYS_FCHOWN, unix.SYS_FCHOWNAT,
	}, pretendedHere...)
}

func statement(code uint16, k uint32) unix.SockFilter { return unix.SockFilter{Code: code, K: k} }

func jump(code uint16, k uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: code, Jt: yes, Jf: no, K: k}
}

// filter is the BPF program: each rule is a comparison that skips its result.
func filter() []unix.SockFilter {
	const (
		load   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		anyBit = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
		atLeas = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
		ret    = unix.BPF_RET | unix.BPF_K
	)
	p := []unix.SockFilter{
		statement(load, dataArch), jump(equal, auditArch, 1, 0), statement(ret, retKill),
		statement(load, dataNumber),
		// The x32 numbers are a second way to every call.
		jump(atLeas, 0x40000000, 0, 1), statement(ret, retErrno|uint32(unix.ENOSYS)),
		// clone3 hides its flags behind a pointer; C libraries fall back to clone.
		jump(equal, unix.SYS_CLONE3, 0, 1), statement(ret, retErrno|uint32(unix.ENOSYS)),
	}
	for _, n := range denied() {
		p = append(p, jump(equal, n, 0, 1), statement(ret, retErrno|uint32(unix.EPERM)))
	}
	for _, n := range pretended() {
		p = append(p, jump(equal, n, 0, 1), statement(ret, retErrno))
	}
	// clone without new namespaces; sockets without the families of the kernel's
	// own services.
	p = append(p,
		jump(equal, unix.SYS_CLONE, 0, 4),
		statement(load, dataArg0), jump(anyBit, newNamespaces, 0, 1), statement(ret, retErrno|uint32(unix.EPERM)), statement(ret, retAllow),
		jump(equal, unix.SYS_SOCKET, 0, 6),
		statement(load, dataArg0),
		jump(equal, unix.AF_VSOCK, 3, 0), jump(equal, unix.AF_ALG, 2, 0), jump(equal, unix.AF_PACKET, 1, 0),
		statement(ret, retAllow), statement(ret, retErrno|uint32(unix.EAFNOSUPPORT)),
		statement(ret, retAllow))
	return p
}

func installFilter() error {
	p := filter()
	prog := unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]}
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return errno
	}
	return nil
}
