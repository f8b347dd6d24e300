/* wspush 0.1.0, MIT. From wspush.src.js */
{
const PROTOCOL="wspush.v1";
const MAX_RETRY=30000,ANSWER=10000,PROBE=15000;
const SOCKET_TRIES=3;
const isFinal=(code)=>/^(100[023789]|1010|[34][5-9]..)$/.test(code);
const base64Of=(bytes)=>btoa(bytes.reduce((text,byte)=>text+String.fromCharCode(byte),""));
class WSPush extends EventTarget {readyState=0;
protocol="";
extensions="";
binaryType="blob";
#a;
#b;
#c=new AbortController();
#d;
#e;
#f=0;
#g=0;
#h=false;
#i;
#j;
#k;
#l=new Map();
#m=[];
#n=false;
#o=0;
#p=[];
#q=0;
#r=0;
constructor(url,options={}){super();
const address=new URL(url,globalThis.document?.baseURI??globalThis.location);
address.hash="";
this.url=address.href.replace(/^http/,"ws");
if(!/^wss?:/.test(this.url))
throw new DOMException(`no WebSocket has the address ${url}`,"SyntaxError");
if(options.concat)
options={protocols:options};
this.#a={protocols:[],transports:["websocket","sse"],queue:4<<20,...options};
this.#j={id:options.since};
this.#s(decodeURIComponent(address.pathname).replace(/^\/|\/$/g,""));
for(const type of ["open","message","error","close","state","reset","presence","join","leave"]){this[`on${type}`]=null;
this.addEventListener(type,(event)=>this[`on${type}`]?.(event));
}
for(const type of ["online","offline","visibilitychange","pagehide","pageshow"])
globalThis.addEventListener?.(type,()=>this.#t(type),{signal:this.#c.signal});
this.#u();
}
get bufferedAmount(){return this.#o+(this.#d?.bufferedAmount??0);
}
send(data,channel){if(data?.byteLength >= 0)
data=new Uint8Array(data.buffer??data,data.byteOffset,data.byteLength).slice();
else if(!(data instanceof Blob))
data=`${data}`.replace(/\p{Cs}/gu,"\ufffd");
const {size}=new Blob([data]);
if(this.readyState<2){if(this.#o&&this.#o+size>this.#a.queue)
throw new DOMException("the queue is full","QuotaExceededError");
this.#m.push({data,channel,size});
}
this.#o+=size;
this.#v();
}
close(code,reason=""){if((code??1000)!==1000&&!(code >= 3000&&code<5000)||new Blob([reason]).size>123)
throw new DOMException("code or reason","InvalidAccessError");
if(this.readyState>1)
return;
this.readyState=2;
this.#i={code:code??1005,reason,wasClean:true};
this.#v();
}
subscribe(channel,since){if(this.#l.has(channel))
return;
this.#l.set(channel,{id:since});
this.#w([channel]);
}
unsubscribe(channel){if(channel!==this.#k&&this.#l.delete(channel))
this.#x({unsub:[channel]});
}
get #y(){return this.state==="open"&&this.protocol===PROTOCOL;
}
async #u(){this.#z();
const turn=this.#d={};
const takes=(transport,Line)=>Line&&this.#a.transports.includes(transport);
const isStream=takes("sse",globalThis.EventSource) &&!(takes("websocket",globalThis.WebSocket)&&this.#g<SOCKET_TRIES);
this.transport=isStream?"sse" :"websocket";
this.#aa(15000,()=>this.#ab());
this.#ac("connecting");
try {this.#b||=await this.#a.getToken?.();
if(turn===this.#d)
isStream?this.#ad() :this.#ae();
} catch(error){await null;
if(turn!==this.#d)
return;
this.#af("error",{code:"connect",text:`${error}`});
this.#ab();
}
}
#ag(scheme,since){const address=new URL(this.url.replace("ws",scheme));
const own=address.search.slice(1)||[];
address.search=Object.entries({since,token:this.#b}).filter(([,value])=>value)
.map(([name,value])=>`${name}=${encodeURIComponent(value)}`).concat(own).join("&");
return address;
}
#ah(line,type,act){line.addEventListener(type,(event)=>line===this.#d&&act(event));
}
#ae(){const offers=++this.#g<SOCKET_TRIES||this.#h?[PROTOCOL] :[];
const line=this.#d=new WebSocket(this.#ag("ws",this.#j.id),offers.concat(this.#a.protocols));
line.binaryType="arraybuffer";
line.onerror=()=>{};
this.#ah(line,"open",()=>{this.protocol=line.protocol;
this.extensions=line.extensions;
this.#g=0;
if(line.protocol===PROTOCOL)
return;
this.#g=SOCKET_TRIES-1;
this.#j.id=null;
this.#ai();
this.#aj(line,PROBE);
});
this.#ah(line,"message",({data})=>{this.#ak();
line.protocol===PROTOCOL?this.#al(JSON.parse(data)) :this.#am({data});
});
this.#ah(line,"close",(event)=>this.#an(event));
}
#ad(){const line=this.#d=new EventSource(this.#ag("http",this.#j.id));
let last="";
const listen=(type,act)=>this.#ah(line,type,({data,lastEventId:id})=>{this.#ak();
act(data,id&&id!==last?id :null);
if(id)
this.#j.id=last=id;
});
this.#g=1;
this.#ah(line,"open",()=>{this.protocol=this.extensions="";
this.#j.on=true;
this.#ai();
this.#aj(line,PROBE);
});
this.#ah(line,"error",()=>{if(line.readyState>1)
this.#b=null;
this.#ab();
});
listen("message",(data,id)=>this.#am({ch:id&&this.#k,id,data}));
listen("binary",(b64,id)=>this.#am({ch:id&&this.#k,id,b64}));
for(const type of ["hello","reset","presence","join","leave","beat","close"])
listen(type,(data)=>data&&this.#al({[type]:JSON.parse(data)}));
}
#aj(line,wait){setTimeout(()=>{if(line!==this.#d||!this.#a.transports.includes("websocket"))
return;
const socket=new WebSocket(this.#ag("ws"),PROTOCOL);
socket.onopen=()=>{socket.close();
if(line!==this.#d)
return;
this.#g=0;
this.#u();
};
socket.onclose=()=>this.#aj(line,Math.min(wait*2,300000));
},wait);
}
#ai(){const isFirst=!this.readyState,others=[...this.#l.keys()].filter((name)=>name!==this.#k);
this.readyState=1;
this.#f=0;
this.#ac("open");
this.#ak();
if(isFirst)
this.#af("open");
else if(!this.#j.id)
this.#af("reset",{ch:this.#k,why:"unknown",id:null});
this.#w(others);
this.#v();
}
#an(event){if(event.code===4401)
this.#b=null;
if(this.#i||isFinal(event.code))
this.#ao(event);
else
this.#ab(event);
}
#ab({code=1006,reason=""}={}){if(this.#i)
return this.#ao({code,reason,wasClean:false});
const isOff=globalThis.navigator?.onLine===false;
const delay=Math.random()*Math.min(MAX_RETRY,isOff?MAX_RETRY :1000*2**this.#f++);
const unsure=this.#z();
this.#aa(delay,()=>this.#u());
this.#ac(isOff?"offline" :"waiting",{code,reason,delay});
this.#ap("unsure",unsure);
}
#z(){const sent=this.#p;
this.#d?.close?.();
this.#d=null;
this.#p=[];
this.#q=0;
this.#aa();
for(const at of this.#l.values())
at.on=false;
return sent;
}
#ao({code,reason,wasClean}){if(this.readyState>2)
return;
const unsure=this.#z();
this.#c.abort();
this.readyState=3;
this.#ac("closed",{code,reason});
this.#ap("unsure",unsure);
this.#ap("unsent",this.#m);
this.#af("close",{code,reason,wasClean},globalThis.CloseEvent);
}
#aa(ms,act){clearTimeout(this.#e);
this.#e=act&&setTimeout(act,ms);
}
#ak(){if(this.transport==="sse")
this.#aa(60000,()=>this.#ab());
else
this.#aa(25000,this.#y&&(()=>this.#aq(ANSWER)));
}
#aq(wait){this.#q=this.#p.length;
this.#x({ping:++this.#r});
this.#aa(wait,()=>this.#ab());
}
#t(type){if(this.readyState>1||type==="visibilitychange"&&document.hidden)
return;
if(type==="pagehide"){this.#ab();
this.#aa();
} else if(this.#y){this.#aq(3000);
} else if(this.state==="open"?type==="online"&&this.transport==="sse"
:this.state!=="connecting"&&type!=="offline"){this.#u();
}
}
#al(said){for(const type in said)
/^(presence|join|leave)$/.test(type)?this.#af(type,said[type]) :this.#ar[type]?.(said[type]);
if("data" in said||"b64" in said)
this.#am(said);
}
#ar={hello:({client,user,channels})=>{this.client=client;
this.user=user;
this.#s(channels[0]);
this.#h=true;
if(this.transport==="websocket")
this.#ai();
},sub:({ch,id,from=id})=>{const at=this.#l.get(ch)??{};
at.on=true;
at.id??=from;
},unsub:({ch})=>{if(this.#l.get(ch)?.on&&this.#l.delete(ch))
this.#af("error",{code:"unsub",ch});
},pong:(number)=>{if(number===this.#r){this.#p.splice(0,this.#q);
this.#q=0;
this.#v();
}
},error:(body)=>{const at=this.#l.get(body.ch);
if(at===this.#j)
at.id=body.code==="position"?null :at.id;
else if(!at?.on)
this.#l.delete(body.ch);
this.#af("error",body);
},reset:(body)=>{this.#af("reset",body);
(this.#l.get(body.ch)??{}).id=body.id;
},close:(event)=>this.#an({wasClean:true,...event}),};
#s(name){if(this.#l.get(this.#k)===this.#j)
this.#l.delete(this.#k);
this.#k=name;
this.#l.set(name,this.#j);
}
#am({ch=null,id=null,data,b64,ack}){const at=this.#l.get(ch);
if(this.readyState>1||(ch&&!at?.on))
return;
if(!id||id!==at?.last){data??=Uint8Array.from(atob(b64),(c)=>c.charCodeAt()).buffer;
if(typeof data!=="string"&&this.binaryType==="blob")
data=new Blob([data]);
this.#af("message",{data,origin:new URL(this.url).origin,lastEventId:id??"",ch,id},MessageEvent);
if(id&&at)
at.id=at.last=id;
}
if(ack)
this.#x({ack});
}
#x(what){if(this.#y)
this.#d.send(JSON.stringify(what));
}
#w(names){const since=names.map((name)=>[name,this.#l.get(name).id||undefined]);
if(names.length)
this.#x({sub:names,since:Object.fromEntries(since)});
}
async #v(){while(!this.#n&&this.state==="open"&&this.#m.length&&this.#p.length<50){const later=this.#as(this.#m[0]);
this.#n=true;
if(later)
await later;
this.#n=false;
}
if(this.#p.length&&!this.#q)
this.#aq(ANSWER);
if(this.#i&&!this.#n)
this.#at(this.#i);
}
#as(item){const {data,channel}=item,isText=typeof data==="string";
if(data instanceof Blob)
return data.arrayBuffer().then((bytes)=>{item.data=new Uint8Array(bytes);},()=>this.#ap("unsent",[this.#au()]));
this.#au();
if(this.#y){this.#p.push(item);
this.#x({ch:channel,...(isText?{data} :{b64:base64Of(data)})});
} else if(channel){this.#ap("unsent",[item]);
} else if(this.transport==="websocket"){this.#d.send(data);
} else {return this.#av(data,isText?data :new Blob([data],{type:"application/octet-stream"}));
}
}
#au(){const item=this.#m.shift();
this.#o -= item.size;
return item;
}
async #av(data,body){const answer=fetch(this.#ag("http"),{method:"POST",body});
const text=await answer.then((got)=>!got.ok&&got.text(),String);
if(text)
this.#af("error",{code:"post",text,data});
}
#at({code,reason}){if(this.state!=="open"||this.transport==="sse"&&!this.#m.length)
setTimeout(()=>this.#ao(this.#i),0);
else if(!this.#m.length)
this.#d.close(...(code===1005?[] :[code,reason]));
}
#ap(code,items){for(const {data,channel} of items)
this.#af("error",{code,data,ch:channel});
}
#ac(state,details){this.state=state;
this.#af("state",{state,transport:this.transport,protocol:this.protocol,...details});
}
#af(type,{ch:channel,...details}={},Kind=Event){const event=new Kind(type,details);
details.channel=channel;
for(const name in details)
if(!(name in event))
event[name]=details[name];
this.dispatchEvent(event);
}
}
["CONNECTING","OPEN","CLOSING","CLOSED"].forEach((name,i)=>{WSPush[name]=WSPush.prototype[name]=i;});
globalThis.WSPush=WSPush}
