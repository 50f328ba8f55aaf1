"""The words of commands that compose no config, for their help."""

UNCOMPOSED_COMMANDS = {  # commands without a config: their arguments
    "compare": """
  <folder> ...     of a run, or of runs: a sweep stands for all its runs; runs that differ in the seed alone are one row
  folder=<folder>  where compare.csv, compare.md and compare.png go; a new one below runs, where it is not given

Joint runs are measured against runs of one head, head by head. Runs with other test images are refused.""",
    "sweep": """
  status <folder>              a table of jobs: those that run, failed or stopped first, then the finished from the best
    rows=50                    so many of them; all shows every one
    format=table               json for scripts
  best <folder>                the best job (by several objectives: each that no other beats), its words, results and
                               its checkpoint; and pictures: history.png, importance.png, pareto.png
  retry <folder> [number] ...  goes on with the sweep: failed jobs begin again, or of these those with these numbers
                               alone; stopped ones go on; what it had not begun is run as well

`candelabra train -m ...` begins a sweep, and the same words with folder=<its folder> go on with it.""",
    "report": """
  <folder> ...     of a run, of a sweep, or of a folder of runs; finished, failed, or still running
  folder=<folder>  where report.html goes; the folder given or, of several, a new one below runs, otherwise

The page is one file with all its pictures, numbers and scripts: it needs no server, and fetches nothing.""",
    "serve": """
  model=<file>         that candelabra export wrote: model.onnx, or model.xml of OpenVINO
  host=127.0.0.1       address to listen at; 127.0.0.1 is reached from this machine alone
  port=8000
  threads=0            of one run of the model; 0 for all cores
  batch=8              pictures of one size that are run together
  window=2             milliseconds that the first of them waits for others
  waiting=64           pictures that wait or are worked on; more are refused with 429
  pictures=16          of a request
  megabytes=16         of a request
  megapixels=25        of a picture
  seconds=30           that a request may take to arrive, and then to be answered

POST /predict takes a picture as the body of a request, or several as files of a form. / is a page to drop pictures on,
/model names the heads, /openapi.json describes all paths, /healthz and /metrics are for those who watch the server.""",
    "backbones": """
  <pattern> ...    names with * and ?; all of conf/backbone where none is given
  show <name>      one at length: its modules, its stages, a picture; any model of timm, too
  size=<pixels>    of the images; where it is not given, those that a backbone was made for
  format=json      instead of the table
  effective=true   receptive fields by gradient, too: at the weights that are at hand, else at random ones
  speed=true       images a second, measured here; batch=<images> at once (8)
  depth=<levels>   of modules that `show` prints (2)
  folder=<folder>  where `show` puts its picture (here)

Nothing is downloaded: layers are counted without their weights.""",
    "trunk": """
  export <run>     the backbone of a run, as model.safetensors and config.json; timm loads the folder by itself
    folder=<folder>   where to; `trunk` in the run's folder, where it is not given
    licence=<name>    of the trunk, yours to choose; what it began from and learnt on has licences too
  push <folder>    an exported trunk to the Hugging Face hub
    repo=<owner/name> is made if need be
    private=true      seen by its owner alone
  pull             a trunk, or any model of timm's, from there
    repo=<owner/name> folder=<folder>

`candelabra train backbone.weights=<folder>` starts any task from it.""",
    "explain": """
  cam              what an answer is based on: maps of evidence over images
    checkpoint=<run> source=<images>
    head=<name>       of the model; the first, where it is not given
    target=<answer>   a class, a side of a box (left), a detection by number or class, a point; else what the head says
    method=<names>    gradcam, gradcam++*, hirescam, layercam*, scorecam, eigencam*, occlusion, integrated; or all
                      * on the last map it fails the sanity check: see docs/explain.md; on earlier stages it passes
    layer=<names>     stages by number from the input, final, or auto: the last map with several positions
    sign=negative     what speaks against the answer
  maps             feature maps as contact sheets, and their shapes
    backbone=<name> source=<image>
    stage=<names>     all for each convolution and pooling; the maps of all stages, where it is not given
  filters          the filters of the first convolution
    backbone=<name>
  maximise         images that excite channels or an answer most, beside what real images reach
    backbone=<name> stage=<number or final> channels=0:16, or checkpoint=<run> head=<name> target=<class>
    source=<images>   real images to compare with
    parametrisation=fourier or pixel; steps=128 jitter=8 seed=0; penalties l1=0 l2=0 tv=0
  fool             the smallest change that turns the class, and how often it is found
    checkpoint=<run> source=<images>
    target=<class>    to be taken for; where it is not given, one at random for each image
    epsilon=4         the largest change of a pixel, of 255
  measure          which methods to trust: do maps point at the object, and depend on what was learnt?
    checkpoint=<run> head=<name> method=<names> layer=<name>
    split=test images=50 data.root=<folder>   the labelled images; those of the training by themselves
    within=<target>   whose region maps should point into; the head's own, or the first that has one

Each backbone=<name> takes weights=<auto, none or file>; checkpoint=<run> takes that of a run instead.
All take size=<pixels> (as in training), device=<auto, cpu, cuda> and folder=<folder> (a new one below runs).""",
}
