import time
from tests.callers import *
from tenants.services.records import *
import cProfile, pstats
from tenants.services.collections import define_collection
SEALED = {"fields":[{"name":f"f{i}","type":"string","protection":"sealed","classification":"pii"} for i in range(5)]}
CLEAR = {"fields":[{"name":f"f{i}","type":"string","protection":"clear"} for i in range(5)]}
def bench(caller, coll, n=20):
    rec = lambda k: RecordInput(k, {f"f{i}": f"value {i} {k}" for i in range(5)})
    create_records(caller=caller, collection=coll, records=[rec("w")])
    t=time.perf_counter(); c=time.process_time()
    for b in range(n): create_records(caller=caller, collection=coll, records=[rec(f"{b}-{i}") for i in range(100)])
    w=(time.perf_counter()-t)/n; cw=(time.process_time()-c)/n
    t=time.perf_counter(); c=time.process_time()
    for b in range(n): read_records(caller=caller, collection=coll, record_ids=[f"{b}-{i}" for i in range(100)])
    r=(time.perf_counter()-t)/n; cr=(time.process_time()-c)/n
    t=time.perf_counter(); c=time.process_time()
    for b in range(200): read_record(caller=caller, collection=coll, record_id=f"1-{b%100}")
    s=(time.perf_counter()-t)/200; cs=(time.process_time()-c)/200
    print(f"{coll[:7]} create100 {w*1e3:.1f} ms (cpu {cw*1e3:.1f}) read100 {r*1e3:.1f} (cpu {cr*1e3:.1f}) read1 {s*1e3:.2f} (cpu {cs*1e3:.2f})")
def test_perf(acme, collection, stack):
    from tenants import consistency
    for _ in range(3):
        for name, doc in (("sealed-"+collection, SEALED), ("clear-"+collection, CLEAR)):
            define_collection(caller=acme, name=name+str(_), document=doc)
            bench(acme, name+str(_))
    p=cProfile.Profile(); p.enable()
    define_collection(caller=acme, name="prof", document=SEALED); bench(acme,"prof",10)
    p.disable(); pstats.Stats(p).sort_stats("tottime").print_stats(22)
