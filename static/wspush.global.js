/* wspush 0.1.0, MIT. From wspush.src.js */
{
const PROTOCOL="wspush.v1";
const FINAL=/^(100[023789]|1010|[34][5-9]..)$/;
class WSPush extends EventTarget {readyState=0;
protocol="";
extensions="";
binaryType="blob";
#a;
#b;
#c=new AbortController();
#d;
#e;
#f;
#g=0;
#h=0;
#i=false;
#j;
#k={};
#l;
#m=new Map();
#n=[];
#o=false;
#p=0;
#q=[];
#r=0;
#s=[];
#t=0;
constructor(url,options={}){super();
try {const address=new URL(url,globalThis.document?.baseURI??globalThis.location);
address.hash="";
this.#u(decodeURIComponent(address.pathname).replace(/^\/|\/$/g,""));
this.url=address.href.replace(/^http/,"ws");
} catch {}
if(!/^wss?:/.test(this.url))
throw new DOMException(`no address:${url}`,"SyntaxError");
const {protocols=[],transports=["websocket","sse"],queue=4<<20,getToken,since} =
options.concat?{protocols:options} :options;
this.#a={protocols,transports,queue,getToken,since};
this.#k.id=since;
for(const type of ["open","message","error","close","state","reset","presence","join","leave"]){this[`on${type}`]=null;
this.addEventListener(type,(event)=>this[`on${type}`]?.(event));
}
for(const type of ["online","offline","visibilitychange","pagehide","pageshow"])
globalThis.addEventListener?.(type,()=>this.#v(type),{signal:this.#c.signal});
this.#w();
}
get bufferedAmount(){return this.#p+(this.#d?.bufferedAmount??0);
}
send(data,ch){if(data?.byteLength >= 0)
data=new Uint8Array(data.buffer??data,data.byteOffset,data.byteLength).slice();
else if(!(data instanceof Blob))
data=`${data}`.replace(/\p{Cs}/gu,"\ufffd");
const {size}=new Blob([data]);
if(this.readyState<2){if(this.#p&&this.#p+size>this.#a.queue)
throw new DOMException("queue is full","QuotaExceededError");
this.#n.push({data,ch,size});
}
this.#p+=size;
this.#x();
}
close(code,reason=""){const isLong=new Blob([reason]).size>123;
if(isLong||(code??1000)!==1000&&!(code >= 3000&&code<5000))
throw new DOMException("code or reason",isLong?"SyntaxError" :"InvalidAccessError");
if(this.readyState>1)
return;
this.readyState=2;
this.#j={code:code??1005,reason,wasClean:true};
this.#x();
}
subscribe(channel,since){channel=`${channel}`;
if(this.#m.has(channel))
return;
this.#m.set(channel,{id:since});
this.#y([channel]);
}
unsubscribe(channel){channel=`${channel}`;
if(channel!==this.#l&&this.#m.delete(channel)&&this.#z({unsub:[channel]}))
this.#s.push(channel);
}
get #aa(){return this.state==="open"&&this.protocol===PROTOCOL;
}
async #w(){this.#ab();
const turn=this.#d={};
const takes=(transport,Line)=>Line&&this.#a.transports.includes(transport);
const isStream=takes("sse",globalThis.EventSource) &&!(takes("websocket",globalThis.WebSocket)&&this.#h<3);
this.transport=isStream?"sse" :"websocket";
this.#ac(15000,()=>this.#ad());
this.#ae("connecting");
try {this.#b||=await this.#a.getToken?.();
if(turn===this.#d)
isStream?this.#af() :this.#ag();
} catch(error){await null;
if(turn!==this.#d)
return;
this.#ah("error",{code:"connect",text:`${error}`});
this.#ad();
}
}
#ai(scheme,since){const address=new URL(this.url.replace("ws",scheme));
const own=address.search.slice(1)||[];
address.search=Object.entries({since,token:this.#b})
.flatMap(([name,value])=>value?`${name}=${encodeURIComponent(value)}` :[]).concat(own).join("&");
return address;
}
#aj(line,type,act){line.addEventListener(type,(event)=>line===this.#d&&act(event));
}
#ag(){const ours=++this.#h<3||this.#i?[PROTOCOL] :[];
const offers=new Set(ours.concat(this.#a.protocols));
const line=this.#d=new WebSocket(this.#ai("ws",this.#k.id),[...offers]);
line.binaryType="arraybuffer";
line.onerror=()=>{};
this.#aj(line,"open",()=>{this.protocol=line.protocol;
this.extensions=line.extensions;
this.#h=0;
if(line.protocol===PROTOCOL)
return;
this.#h=3-1;
this.#k.id=null;
this.#ak();
this.#al(line);
});
this.#aj(line,"message",({data})=>{this.#am();
line.protocol===PROTOCOL?this.#an(JSON.parse(data)) :this.#ao({data});
});
this.#aj(line,"close",(event)=>this.#ap(event));
}
#af(){const line=this.#d=new EventSource(this.#ai("http",this.#k.id));
let last="";
const listen=(type,act)=>this.#aj(line,type,({data,lastEventId:id})=>{this.#am();
act(data,id&&id!==last?id :null);
if(id)
this.#k.id=last=id;
});
this.#h=1;
this.#aj(line,"open",()=>{this.protocol=this.extensions="";
this.#k.on=true;
this.#ak();
this.#al(line);
});
this.#aj(line,"error",()=>this.#ad());
listen("message",(data,id)=>this.#ao({ch:id&&this.#l,id,data}));
listen("binary",(b64,id)=>this.#ao({ch:id&&this.#l,id,b64}));
for(const type of ["hello","reset","presence","join","leave","beat","close"])
listen(type,(data)=>data&&this.#an({[type]:JSON.parse(data)}));
}
#al(line,wait=15000){if(line!==this.#d||!this.#a.transports.includes("websocket"))
return;
this.#f=setTimeout(()=>{const socket=new WebSocket(this.#ai("ws"),PROTOCOL);
socket.onopen=()=>{socket.close();
if(line===this.#d){this.#h=0;
this.#w();
}
};
socket.onclose=()=>this.#al(line,Math.min(wait*2,300000));
},wait);
}
#ak(){const isFirst=!this.readyState;
this.readyState=1;
this.#g=0;
this.state="open";
this.#y([...this.#m.keys()].filter((name)=>name!==this.#l));
this.#ae("open");
this.#am();
if(isFirst)
this.#ah("open");
if(!this.#k.id&&(!isFirst||this.#a.since))
this.#aq(this.#l);
this.#x();
}
#ap(event){if(event.code===4401)
this.#b=null;
if(this.#j||FINAL.test(event.code))
this.#ar(event);
else
this.#ad(event);
}
#ad({code=1006,reason=""}={}){if(this.#j)
return this.#ar({code,reason,wasClean:false});
const isOff=globalThis.navigator?.onLine===false;
const delay=Math.random()*(isOff?30000 :Math.min(30000,1000*2**this.#g++));
const unsure=this.#ab();
if(this.state==="connecting")
this.#b=null;
this.#h -= isOff;
this.#ac(delay,()=>this.#w());
this.#ae(isOff?"offline" :"waiting",{code,reason,delay});
this.#as("unsure",unsure);
}
#ab(){const sent=this.#q;
this.#d?.close?.();
this.#d=null;
clearTimeout(this.#f);
this.#q=[];
this.#r=0;
this.#s=[];
this.#ac();
for(const at of this.#m.values())
at.on=false;
return sent;
}
#ar({code,reason,wasClean}){if(this.readyState>2)
return;
const unsure=this.#ab();
this.#c.abort();
this.readyState=3;
this.#ae("closed",{code,reason});
this.#as("unsure",unsure);
this.#as("unsent",this.#n);
this.#ah("close",{code,reason,wasClean},globalThis.CloseEvent);
}
#ac(ms,act){clearTimeout(this.#e);
this.#e=act&&setTimeout(act,ms);
}
#am(){if(this.transport==="sse")
this.#ac(60000,()=>this.#ad());
else
this.#ac(25000,this.#aa&&(()=>this.#at()));
}
#at(wait=10000){this.#r=this.#q.length;
this.#z({ping:++this.#t});
for(const {size} of this.#q)
wait+=size / 16;
this.#ac(wait,()=>this.#ad());
}
#v(type){if(this.readyState>1||type==="visibilitychange"&&document.hidden)
return;
if(type==="pagehide"){this.#ad();
this.#ac();
} else if(this.#aa){this.#at(3000);
} else if(this.state==="open"?type==="online"&&this.transport==="sse"
:this.state!=="connecting"&&type!=="offline"){this.#w();
}
}
#an(said){for(const type in said)
/^(presence|join|leave)$/.test(type)?this.#ah(type,said[type]) :this.#au[type]?.(said[type]);
if("data" in said||"b64" in said)
this.#ao(said);
}
#au={hello:({client,user,channels})=>{this.client=client;
this.user=user;
this.#u(channels[0]);
this.#i=true;
if(this.transport==="websocket"){this.#h=-5;
this.#ak();
}
},sub:({ch,id,from=id})=>{const at=this.#m.get(ch);
if(!at||this.#s.includes(ch))
return;
at.on=true;
at.id??=from;
},unsub:({ch})=>{const i=this.#s.indexOf(ch);
if(i >= 0)
this.#s.splice(i,1);
else if(this.#m.delete(ch))
this.#ah("error",{code:"unsub",ch});
},pong:(number)=>{if(number===this.#t){this.#q.splice(0,this.#r);
this.#r=0;
this.#x();
}
},error:(body)=>{if(body.code==="unknown")
return this.#au.unsub(body);
const {ch,code}=body;
this.#l??this.#u(ch);
const at=this.#m.get(ch);
this.#ah("error",body);
if(!at||at.on||code==="inbound")
return;
if(code==="position"){this.#aq(ch);
this.#y([ch]);
} else
this.#m.delete(ch);
},reset:(body)=>{this.#ah("reset",body);
(this.#m.get(body.ch)??{}).id=body.id;
},close:(event)=>this.#ap({wasClean:true,...event}),};
#aq(ch){this.#au.reset({ch,why:"unknown",id:null});
}
#u(name){this.#m.delete(this.#l);
this.#l=name;
this.#m.set(name,this.#k);
}
#ao({ch=null,id=null,data,b64,ack}){const at=this.#m.get(ch);
if(this.readyState>1||(ch&&!at?.on))
return;
if(!id||id!==at?.last){data??=Uint8Array.from(atob(b64),(c)=>c.charCodeAt()).buffer;
if(typeof data!=="string"&&this.binaryType==="blob")
data=new Blob([data]);
this.#ah("message",{data,origin:new URL(this.url).origin,lastEventId:id??"",ch,id},MessageEvent);
if(id&&at)
at.id=at.last=id;
}
if(ack)
this.#z({ack});
}
#z(what){return this.#aa&&!this.#d.send(JSON.stringify(what));
}
#y(names){const since=names.map((name)=>[name,this.#m.get(name).id||undefined]);
if(names.length)
this.#z({sub:names,since:Object.fromEntries(since)});
}
async #x(){while(!this.#o&&this.state==="open"&&this.#n.length&&this.#q.length<50){const later=this.#av(this.#n[0]);
this.#o=true;
if(later)
await later;
this.#o=false;
}
if(this.#q.length&&!this.#r)
this.#at();
if(this.#j&&!this.#o)
this.#aw(this.#j);
}
#av(item){const {data,ch}=item,isText=typeof data==="string";
if(data instanceof Blob)
return data.arrayBuffer().then((bytes)=>{item.data=new Uint8Array(bytes);},()=>this.#as("unsent",[this.#ax()]));
this.#ax();
if(this.#aa){this.#q.push(item);
const body=isText?{data} :{b64:btoa(data.reduce((text,byte)=>text+String.fromCharCode(byte),""))};
this.#z({ch,...body});
} else if(ch){this.#as("unsent",[item]);
} else if(this.transport==="websocket"){this.#d.send(data);
} else {return this.#ay(data,isText?data :new Blob([data],{type:"application/octet-stream"}));
}
}
#ax(){const item=this.#n.shift();
this.#p -= item.size;
return item;
}
async #ay(data,body){const text=await fetch(this.#ai("http"),{method:"POST",body,signal:AbortSignal.timeout?.(60000)})
.then(async (got)=>got.ok?"" :`${got.status} ${await got.text()}`).catch(String);
if(text)
this.#ah("error",{code:"post",text,data});
}
#aw({code,reason}){if(this.state!=="open"||this.transport==="sse"){this.#ab();
this.#ac(0,()=>this.#ar(this.#j));
} else if(!this.#n.length)
this.#d.close(...(code===1005?[] :[code,reason]));
}
#as(code,items){for(const {data,ch} of items)
this.#ah("error",{code,data,ch});
}
#ae(state,details){this.state=state;
this.#ah("state",{state,transport:this.transport,protocol:this.protocol,...details});
}
#ah(type,{ch,...details}={},Kind=Event){const event=new Kind(type,details);
details.channel=ch;
for(const name in details)
if(!(name in event))
event[name]=details[name];
this.dispatchEvent(event);
}
}
["CONNECTING","OPEN","CLOSING","CLOSED"].forEach((name,i)=>WSPush[name]=WSPush.prototype[name]=i);
globalThis.WSPush=WSPush}
