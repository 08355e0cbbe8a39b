"""A hypervisor host as a real machine: Debian's cloud kernel in QEMU (software emulation) with a busybox initramfs that
holds skerry-agent and what it links. Its NICs are taps in the lab's physical network; commands go over the serial line.
"""

from __future__ import annotations

import gzip
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from lab import Lab, LabError, _die_with_parent, run, wait_for

CACHE = pathlib.Path(os.environ.get("SKERRY_CACHE", "/var/cache/skerry-tests"))
MODULES = ("virtio_pci", "virtio_net", "veth", "sch_ingress", "cls_bpf")
MARK = "--skerry-done-"
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs tmp /tmp
mkdir -p /run/netns /sys/fs/bpf /dev/pts; mount -t tmpfs run /run; mkdir -p /run/netns
mount -t bpf bpf /sys/fs/bpf
for module in {modules}; do modprobe $module; done
ip link set lo up
stty -echo
export PS1= PS2=
echo {mark}ready
exec setsid cttyhack sh
"""


def debian_kernel() -> pathlib.Path:
    """Debian's linux-image-cloud-amd64, unpacked: the directory with boot/ and lib/modules/. Downloaded once."""
    CACHE.mkdir(parents=True, exist_ok=True)

    def find() -> re.Match | None:
        depends = run("apt-cache", "depends", "linux-image-cloud-amd64", check=False).stdout
        return re.search(r"Depends:\s*(linux-image-\S+)", depends)

    package = find()
    if not package:  # no package lists on this machine yet
        run("apt-get", "update", "-qq", timeout=300)
        package = find()
    if not package:
        raise LabError("apt knows no linux-image-cloud-amd64: Debian's main archive is not among its sources")
    target = CACHE / package.group(1)
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            run("apt-get", "download", package.group(1), cwd=scratch, timeout=300)
            run("dpkg-deb", "-x", next(pathlib.Path(scratch).glob("*.deb")), f"{scratch}/unpacked", timeout=120)
            os.rename(f"{scratch}/unpacked", target)
    return target


def copy_program(program: pathlib.Path, root: pathlib.Path) -> None:
    """The program and the libraries it links, at their own paths. /bin/ip becomes ip2: busybox's shell would run its own
    ip, which knows no namespaces."""
    shutil.copy2(program, root / "bin" / ("ip2" if program.name == "ip" else program.name))
    for path in re.findall(r"(/\S+\.so\S*)", run("ldd", program).stdout):
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            shutil.copy2(path, target)


def build_initramfs(kernel: pathlib.Path, programs: list[pathlib.Path], out: pathlib.Path) -> str:
    """Writes the initramfs; returns the kernel's release."""
    release = next((kernel / "lib/modules").iterdir()).name
    run("depmod", "-b", kernel, release)
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch)
        for folder in ("bin", "proc", "sys", "dev", "tmp", "run", "etc", "var/lib", f"lib/modules/{release}"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        shutil.copy2("/bin/busybox", root / "bin/busybox")
        for program in programs:
            copy_program(program, root)
        for name in MODULES:
            listed = run("modprobe", "-d", kernel, "-S", release, "--show-depends", name).stdout
            for path in re.findall(r"insmod (\S+)", listed):
                source = pathlib.Path(path)
                target = root / f"lib/modules/{release}" / source.relative_to(kernel / f"lib/modules/{release}")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
        for index in (kernel / f"lib/modules/{release}").glob("modules.*"):
            shutil.copy2(index, root / f"lib/modules/{release}")
        run("depmod", "-b", root, release)
        init = root / "init"
        init.write_text(INIT.format(modules=" ".join(MODULES), mark=MARK))
        init.chmod(0o755)
        listing = subprocess.run(["find", "."], cwd=root, capture_output=True, check=True).stdout
        archive = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=root, input=listing, capture_output=True, check=True)
        with gzip.open(out, "wb", compresslevel=1) as file:
            file.write(archive.stdout)
    return release


class Guest:
    """A running machine; run() executes one line of shell in it."""

    def __init__(self, lab: Lab, name: str, site: int, number: int, kernel: pathlib.Path, initramfs: pathlib.Path):
        self.lab, self.name = lab, name
        vmlinuz = next((kernel / "boot").glob("vmlinuz-*"))
        self.log = open(lab.directory / f"{name}.console", "wb")
        nics = []
        for index, switch in enumerate(("mg", f"s{site}")):
            tap = f"{name}-{switch}"
            lab.physical.run("ip", "tuntap", "add", tap, "mode", "tap")
            lab.physical.run("ip", "link", "set", tap, "master", switch, "up")
            nics += ["-netdev", f"tap,id=n{index},ifname={tap},script=no,downscript=no",
                     "-device", f"virtio-net-pci,netdev=n{index},mac=52:54:00:83:{number:02x}:{index:02x},romfile="]
        self.qemu = subprocess.Popen(
            lab.physical.command("qemu-system-x86_64", "-machine", "q35,accel=tcg", "-cpu", "max", "-smp", "1", "-m", "768",
                                 "-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio", "-kernel", vmlinuz,
                                 "-initrd", initramfs, "-append", "console=ttyS0 quiet panic=-1 mitigations=off", *nics),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, preexec_fn=_die_with_parent)
        os.set_blocking(self.qemu.stdout.fileno(), False)
        self.heard = ""
        self.commands = 0
        self.expect(f"{MARK}ready", 90)

    def expect(self, mark: str, timeout: float) -> str:
        """What came before the mark."""
        def arrived():
            if self.qemu.poll() is not None:
                raise LabError(f"{self.name}: QEMU ended with {self.qemu.returncode}: {self.heard[-2000:]}")
            data = self.qemu.stdout.read()
            if data:
                self.log.write(data)
                self.log.flush()
                self.heard += data.decode(errors="replace").replace("\r", "")
            return mark in self.heard

        try:
            wait_for(f"{self.name} says {mark}", arrived, timeout)
        except LabError as error:
            raise LabError(f"{error}; the console ends with: {self.heard[-2000:]}") from None
        before, _, self.heard = self.heard.partition(mark)
        return before

    def run(self, line: str, timeout: float = 30, check: bool = True) -> tuple[int, str]:
        self.commands += 1
        mark = f"{MARK}{self.commands}"
        self.qemu.stdin.write(f"{line}\ncode=$?; echo; echo {mark} $code end\n".encode())
        self.qemu.stdin.flush()
        output = self.expect(f"\n{mark} ", timeout)
        code = int(self.expect(" end", 5).strip())
        if check and code:
            raise LabError(f"{self.name}: {line}: exit {code}\n{output}")
        return code, output.strip()

    def stop(self) -> None:
        self.qemu.kill()
        self.qemu.wait(10)
        self.log.close()
